"""Callers of several models at once, each asking again and again, and a watcher of what the manager books meanwhile."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import openai
from openai import OpenAI

from contract.states import DeviceList, DeviceStatus, ModelList, ModelState
from tests.integration.stack import Stack, eventually

LOOK_SECONDS = 0.2
SERVING = frozenset({ModelState.READY, ModelState.DRAINING})
BEGINNING = frozenset({ModelState.STARTING, ModelState.WAKING})
REQUEST = re.compile(r"^POST /v1/\S+ (\d+) \S+ms (\S+) (\S+) \S+$", re.MULTILINE)
SWAP = re.compile(r"^\S+ (\S+) INFO \S+: (\S+) (is ready after|is awake after|is asleep|drains)(.*)$", re.MULTILINE)

Ask = Callable[[OpenAI, str, str], str | None]
"""A client, a model and a request's id -> what is wrong with the answer, or None."""


@dataclass(frozen=True)
class Caller:
    """Asks for these models in turn, again and again, and rests for so many seconds after each round."""

    models: tuple[str, ...]
    rest: float = 0


@dataclass(frozen=True)
class Asked:
    """One request and what became of it. Times are seconds of the monotonic clock."""

    identity: str
    model: str
    sent: float
    answered: float
    fault: str | None

    @property
    def waited(self) -> float:
        return self.answered - self.sent


def ask_for(stack: Stack, seconds: float, callers: Iterable[Caller], ask: Ask) -> list[Asked]:
    """All callers at once; nobody asks again after so many seconds, and every request is waited for."""
    until = time.monotonic() + seconds
    numbers = itertools.count(1)  # of requests: its `next` is one step of the interpreter, so no two threads share one
    clients = [(stack.client(), caller) for caller in callers]
    with ThreadPoolExecutor(len(clients)) as people:
        found = [people.submit(_call, client, caller, ask, until, numbers) for client, caller in clients]
        return [asked for each in found for asked in each.result()]


def _call(client: OpenAI, caller: Caller, ask: Ask, until: float, numbers: Iterator[int]) -> list[Asked]:
    made = []
    while time.monotonic() < until:
        for model in caller.models:
            if time.monotonic() < until:
                made.append(_one(client, model, f"swarm-{next(numbers)}", ask))
        time.sleep(caller.rest)
    return made


def _one(client: OpenAI, model: str, identity: str, ask: Ask) -> Asked:
    sent = time.monotonic()
    try:
        fault = ask(client, model, identity)
    except openai.APIError as error:
        fault = f"{type(error).__name__}: {error}"
    return Asked(identity, model, sent, time.monotonic(), fault)


def logged(stack: Stack, count: int) -> list[tuple[str, str, str]]:
    """Status, id and model of each request that the proxy has answered, once there are so many."""
    lines = [REQUEST.findall(stack.log_of("proxy"))]

    def enough() -> bool:
        lines[0] = REQUEST.findall(stack.log_of("proxy"))
        return len(lines[0]) >= count

    eventually(enough, f"the proxy's log tells of {count} requests", 10)
    return lines[0]


def swaps(stack: Stack) -> list[str]:
    """What the manager's log says of starts, wakings, sleeps and drains, with the time of day."""
    return [" ".join(found) for found in SWAP.findall(stack.log_of("manager"))]


@dataclass(frozen=True)
class Look:
    """What the manager told at one moment."""

    at: float
    devices: tuple[DeviceStatus, ...]
    states: dict[str, ModelState]

    @property
    def overbooked(self) -> bool:
        return any(device.booked > device.budget for device in self.devices)

    @property
    def beginning(self) -> list[str]:
        """The models whose engine starts or wakes."""
        return [name for name, state in self.states.items() if state in BEGINNING]


@dataclass
class Watcher:
    """Looks every 200 ms, through the proxy, until it is told to end."""

    stack: Stack
    looks: list[Look] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        with httpx.Client(base_url=f"{self.stack.base_url}/admin", timeout=60, trust_env=False) as client:
            while not self._end.wait(LOOK_SECONDS):
                self.looks.append(_look(client))

    def end(self) -> None:
        self._end.set()

    def turns(self) -> list[tuple[float, str]]:
        """When a model became ready, and which; one that was ready, or drained, was it already."""
        return [
            (after.at, model)
            for before, after in itertools.pairwise(self.looks)
            for model, state in after.states.items()
            if state is ModelState.READY and before.states[model] not in SERVING
        ]

    @property
    def highest(self) -> int:
        """The most bytes that were ever booked on a device."""
        return max(device.booked for look in self.looks for device in look.devices)


def _look(client: httpx.Client) -> Look:
    devices = DeviceList.model_validate_json(client.get("/devices").raise_for_status().content).devices
    models = ModelList.model_validate_json(client.get("/models").raise_for_status().content).models
    return Look(time.monotonic(), devices, {model.name: model.state for model in models})


@contextmanager
def watched(stack: Stack) -> Iterator[Watcher]:
    """Somebody looks for as long as the block lasts. Raises what went wrong with looking."""
    watcher = Watcher(stack)
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watcher.watch)
        try:
            yield watcher
        finally:
            watcher.end()
        watching.result()
