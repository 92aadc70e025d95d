"""An engine's way to sleep and back, call by call as its file declares, and the proof at each end."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx

from manager.engines.kind import Call, EngineKind, SleepLevel
from manager.running.readiness import prove
from manager.specification import EngineError

SLEEP_DEADLINE = 120.0
ANSWER_DEADLINE = 30.0
SLEEP_FAILED = "engine_sleep_failed"
WAKE_FAILED = "engine_wake_failed"


class Slumber:
    """Puts one engine to sleep and wakes it, each with its deadline."""

    def __init__(self, client: httpx.AsyncClient, kind: EngineKind, model: str, endpoint: str) -> None:
        self.client = client
        self.kind = kind
        self.model = model
        self.endpoint = endpoint

    async def begin(self, level: SleepLevel) -> None:
        """Returns when the engine says that it sleeps. Raises EngineError with the engine's own words."""
        async with _within(SLEEP_DEADLINE, SLEEP_FAILED, "asleep"):
            await self._make(level.sleep, SLEEP_FAILED)
            if not await self.goes_on(SLEEP_FAILED):
                raise EngineError(SLEEP_FAILED, "it was put to sleep and is awake all the same")

    async def end(self, level: SleepLevel) -> None:
        """Returns when the engine serves again: the probe has passed. Raises EngineError like `begin`."""
        async with _within(self.kind.start_deadline, WAKE_FAILED, "awake"):
            await self._make(level.wake, WAKE_FAILED)
            if await self.goes_on(WAKE_FAILED):
                raise EngineError(WAKE_FAILED, "it was woken and sleeps all the same")
            await prove(self.client, self.endpoint, self.kind.probe(self.model), WAKE_FAILED)

    async def goes_on(self, code: str) -> bool:
        """Whether the engine sleeps, by its own word. Raises EngineError where it gives none."""
        answer = await self._call(Call("GET", "/is_sleeping"), code, ANSWER_DEADLINE)
        try:
            return bool(answer.json()["is_sleeping"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(code, f"/is_sleeping was answered with {answer.text[:500]!r}") from error

    async def _make(self, calls: Iterable[Call], code: str) -> None:
        for call in calls:
            await self._call(call, code)

    async def _call(self, call: Call, code: str, deadline: float | None = None) -> httpx.Response:
        """One call. Without a deadline, how long it may take is its caller's to bound."""
        body = None if call.body is None else dict(call.body)
        try:
            answer = await self.client.request(
                call.method, self.endpoint + call.path, params=dict(call.query), json=body, timeout=deadline
            )
        except httpx.RequestError as error:
            raise EngineError(code, f"{call.path} got no answer: {type(error).__name__}") from error
        if not answer.is_success:
            reason = f"{call.path} was answered with status {answer.status_code}: {answer.text[:500]}"
            raise EngineError(code, reason)
        return answer


@asynccontextmanager
async def _within(seconds: float, code: str, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise EngineError(code, f"not {what} within {seconds:g} s") from error
