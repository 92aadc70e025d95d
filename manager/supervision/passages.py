"""What models go through: each fetch, load, sleep, wake, drain and stop, from its beginning to its end.

Seen from outside, step by step: nothing that decides knows of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from contract.states import ModelState
from manager.supervision.endings import DIED
from manager.supervision.model import Model


class Kind(StrEnum):
    FETCH = "fetch"
    LOAD = "load"
    SLEEP = "sleep"
    WAKE = "wake"
    DRAIN = "drain"
    STOP = "stop"


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"  # somebody wanted something else meanwhile


KINDS: Mapping[ModelState, Kind] = MappingProxyType(
    {
        ModelState.FETCHING: Kind.FETCH,
        ModelState.STARTING: Kind.LOAD,
        ModelState.SLEEPING: Kind.SLEEP,
        ModelState.WAKING: Kind.WAKE,
        ModelState.DRAINING: Kind.DRAIN,
        ModelState.STOPPING: Kind.STOP,
    }
)


@dataclass(frozen=True)
class Passage:
    """One of them, as it began: `began` is seconds of the supervisor's clock.

    reason: why it drains, sleeps or stops, in a few fixed words
    trace: the W3C trace context of the caller for whom it is done
    again: a load that follows a failure
    death: the failure's code, of a stop that follows an engine's death
    """

    model: str
    engine: str
    kind: Kind
    run: int
    began: float
    reason: str = ""
    trace: str | None = None
    again: bool = False
    death: str = ""


class Listener(Protocol):
    """Is told what models go through."""

    def began(self, passage: Passage) -> None: ...

    def reached(self, passage: Passage, phase: str) -> None:
        """A load comes to another phase."""
        ...

    def ended(self, passage: Passage, outcome: Outcome, seconds: float, code: str) -> None:
        """`code` is the failure's, of a passage that failed."""
        ...

    def forget(self, model: str) -> None:
        """The model is gone from the catalogue."""
        ...


Marks = tuple[float, float, bool, int]


@dataclass
class _Open:
    """`marks` are what of the model tells later how it ended."""

    passage: Passage
    marks: Marks
    phase: str = ""


class Passages:
    """Shown each model after every step that concerned it."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._open: dict[str, _Open] = {}

    def see(self, model: Model, now: float) -> None:
        """How the model stands at this moment."""
        kind = _kind(model)
        going_on = self._open.get(model.name)
        if going_on is not None and (going_on.passage.kind, going_on.passage.run) != (kind, model.run):
            outcome = _outcome(going_on, model)
            self._end(going_on, outcome, now, model.failure.code if model.failure is not None else "")
            going_on = None
        if kind is not None and going_on is None:
            going_on = self._begin(model, kind, now)
        if going_on is not None:
            self._go_on(going_on, model.phase)

    def forget(self, name: str, now: float) -> None:
        """The model is gone, since its engine has ended."""
        over = self._open.get(name)
        if over is not None:
            self._end(over, Outcome.OK if over.passage.kind is Kind.STOP else Outcome.CANCELLED, now, "")
        for listener in self._listeners:
            listener.forget(name)

    def _begin(self, model: Model, kind: Kind, now: float) -> _Open:
        leaves = kind in {Kind.DRAIN, Kind.SLEEP, Kind.STOP}
        died = kind is Kind.STOP and model.departure == DIED and model.failure is not None
        passage = Passage(
            model=model.name,
            engine=model.fixed.kind.name if model.fixed.kind else "",
            kind=kind,
            run=model.run,
            began=now,
            reason=model.departure if leaves else "",
            trace=None if leaves else _trace(model),
            again=kind is Kind.LOAD and model.failures > 0,
            death=model.failure.code if died and model.failure is not None else "",
        )
        opened = self._open[model.name] = _Open(passage, _marks(model))
        for listener in self._listeners:
            listener.began(passage)
        return opened

    def _go_on(self, going_on: _Open, phase: str | None) -> None:
        """A phase may say how far it is: that is no other phase."""
        name = (phase or "").partition(",")[0] if going_on.passage.kind is Kind.LOAD else ""
        if name and name != going_on.phase:
            going_on.phase = name
            for listener in self._listeners:
                listener.reached(going_on.passage, name)

    def _end(self, over: _Open, outcome: Outcome, now: float, failure: str) -> None:
        del self._open[over.passage.model]
        code = failure if outcome is Outcome.FAILED else ""
        for listener in self._listeners:
            listener.ended(over.passage, outcome, now - over.passage.began, code)


def _kind(model: Model) -> Kind | None:
    """What the model goes through. An engine that an earlier manager left is not loaded."""
    if model.state is ModelState.STARTING and (model.engine is None or model.engine.run.adopted):
        return None
    return KINDS.get(model.state)


def _marks(model: Model) -> Marks:
    return model.ready_since, model.asleep_since, model.here, model.failures


def _outcome(over: _Open, model: Model) -> Outcome:
    ready, asleep, here, failures = over.marks
    if model.failures > failures:
        return Outcome.FAILED
    reached = {
        Kind.FETCH: model.here and not here,
        Kind.LOAD: model.ready_since != ready,
        Kind.WAKE: model.ready_since != ready,
        Kind.SLEEP: model.asleep_since != asleep,
    }
    return Outcome.OK if reached.get(over.passage.kind, True) else Outcome.CANCELLED


def _trace(model: Model) -> str | None:
    """Whoever waits for the longest, of those that say which trace they belong to."""
    waiting = [lease for lease in model.leases if not lease.holds and lease.trace]
    return min(waiting, key=lambda lease: lease.opened_at).trace if waiting else None
