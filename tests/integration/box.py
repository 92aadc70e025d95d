"""A stack with mock engines in containers, and what the tests of recovery ask of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from tests.integration.stack import Stack, eventually, running
from tests.integration.tiny import clear_away

Entries = dict[str, dict[str, Any]]


def mock(**args: float) -> dict[str, Any]:
    """An entry whose engine says five words at once, unless told otherwise."""
    told = {"tokens": 5, "tokens-per-second": 0} | {name.replace("_", "-"): value for name, value in args.items()}
    return {"type": "text", "engine": "mock", "memory": "64MiB", "args": told}


@dataclass
class Asked:
    """A request that is under way in a thread of its own."""

    answer: httpx.Response | None = None
    said: bytes = b""
    error: httpx.TransportError | None = None
    begun: threading.Event = field(default_factory=threading.Event)

    @property
    def is_whole(self) -> bool:
        return self.answer is not None and self.answer.status_code == 200 and b"[DONE]" in self.said

    def ask(self, url: str, model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        try:
            with httpx.stream("POST", url, json=body, timeout=90, trust_env=False) as answer:
                self.answer = answer
                for chunk in answer.iter_bytes():
                    self.said += chunk
                    self.begun.set()
        except httpx.TransportError as error:
            self.error = error
        finally:
            self.begun.set()


@dataclass
class Box:
    """One stack in containers. Whatever others do to its containers, they do it here."""

    stack: Stack

    def ask(self, model: str) -> httpx.Response:
        """One answer, at once or when the model is ready."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        return httpx.post(f"{self.stack.base_url}/v1/chat/completions", json=body, timeout=90, trust_env=False)

    @contextmanager
    def asking(self, model: str) -> Iterator[Asked]:
        """A streamed answer, waited for at the end of the block."""
        asked = Asked()
        url = f"{self.stack.base_url}/v1/chat/completions"
        thread = threading.Thread(target=asked.ask, args=(url, model), daemon=True)
        thread.start()
        yield asked
        thread.join(100)
        assert not thread.is_alive(), "the request hangs"

    def container(self, model: str) -> Container:
        return docker.from_env().containers.get(self.stack.of(model).container)

    def identity(self, model: str) -> str | None:
        """Its container's id while it runs."""
        name = self.stack.of(model).container
        found = docker.from_env().containers.list(filters={"name": f"^{name}$"})
        return str(found[0].id) if found else None

    def there(self) -> list[str]:
        """All containers and networks of this stack: name and state."""
        client = docker.from_env()
        ours: dict[str, str | list[str] | bool] = {"label": f"roundhouse.instance={self.stack.instance}"}
        containers = client.containers.list(all=True, filters=ours, ignore_removed=True)
        networks = [str(each.name) for each in client.networks.list(filters=ours)]
        return sorted([*(f"{each.name} {each.status}" for each in containers), *networks])

    def one_engine(self, model: str) -> list[str]:
        """What is there when exactly this model's engine is."""
        name = self.stack.of(model).container
        return [f"{name} running", f"{name}-net"]

    def starts(self, model: str) -> int:
        return self.stack.of(model).starts()

    def clear(self) -> None:
        """All models are unloaded, with all their traces."""
        for model in json.loads(self.stack.catalogue.read_text()):
            self.unload(model)
        eventually(lambda: self.there() == [], f"nothing is left of {self.there()}", 30)

    def unload(self, model: str) -> None:
        """Asked for; whether the manager lives to answer or not."""
        httpx.post(f"{self.stack.base_url}/admin/models/{model}/unload", trust_env=False, timeout=60)

    def end_manager(self) -> None:
        if "manager" in self.stack.processes:
            self.stack.end("manager")

    def leases(self, model: str) -> int:
        answer = httpx.get(f"{self.stack.base_url}/admin/models/{model}", trust_env=False, timeout=60)
        return int(answer.json()["leases"])

    def state(self, model: str) -> str:
        return self.stack.of(model).state()


@contextmanager
def box_in(folder: Path, name: str, entries: Entries, **settings: str) -> Iterator[Box]:
    file = folder / "models.json"
    file.write_text(json.dumps(entries))
    stack = Stack("docker", folder, name=name, catalogue=file, settings=settings)
    with running(stack) as started:
        yield Box(started)


@contextmanager
def containers_of_others(name: str) -> Iterator[list[str]]:
    """The ids of two that run: one without labels, one of another instance. Nobody may touch them."""
    client = docker.from_env()
    labels = {"roundhouse.instance": f"{name}-other", "roundhouse.model": "other"}
    for number in range(2):
        clear_away(f"{name}-others-{number}")
    made = [
        client.containers.run(
            "roundhouse:0.1.0",
            ["-c", "import time; time.sleep(3600)"],
            entrypoint=["python3"],
            init=True,
            detach=True,
            name=f"{name}-others-{number}",
            labels=each,
        )
        for number, each in enumerate(({}, labels))
    ]
    try:
        yield [str(each.id) for each in made]
    finally:
        for each in made:
            each.remove(force=True)


def run_still(ids: list[str]) -> bool:
    client = docker.from_env()
    return all(client.containers.get(each).status == "running" for each in ids)
