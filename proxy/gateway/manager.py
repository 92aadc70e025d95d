"""The manager as seen from here: requests with its token, and its streams."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NoReturn
from urllib.parse import quote

import msgspec

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from contract.keep import KeepWish
from contract.lease import HEARTBEAT_SECONDS, LeaseEvent, decode_event
from proxy.gateway.connection import Connection
from proxy.gateway.headers import TRACE, request_head
from proxy.gateway.upstream import Address, Pool
from proxy.gateway.upstream_errors import UpstreamError

SILENCE = 3 * HEARTBEAT_SECONDS
LINE_LIMIT = 8 * 2**20  # the catalogue is one line of the event stream
ERROR_LIMIT = 2**20


class ManagerAbsent(ApiError):
    """The manager cannot be reached, or went away. The text is for the log alone."""

    def __init__(self, reason: str) -> None:
        message = "The manager cannot be reached; it may be starting. See that it runs, then try again."
        super().__init__(503, "manager_unavailable", message, origin=Origin.MANAGER, headers={"retry-after": "5"})
        self.reason = reason


class Manager:
    """A client of the manager's HTTP interface. `token` is asked for at every request: it may appear late.

    `trace` is asked for the `traceparent` of what is being done; it gives nothing where no trace is kept.
    """

    def __init__(self, pool: Pool, address: Address, token: Callable[[], str], trace: Callable[[], bytes]) -> None:
        self._pool = pool
        self._address = address
        self._token = token
        self._trace = trace
        self._peer = socket.gethostname().encode()

    @asynccontextmanager
    async def request(
        self, method: bytes, target: bytes, silence: float | None = SILENCE, body: bytes = b""
    ) -> AsyncIterator[Connection]:
        """A request, its body JSON if it has one, whatever the status of its answer. Raises ManagerAbsent."""
        head = request_head(method, target, self._address.authority, self._headers(body))
        try:
            async with self._pool.exchange(self._address, head, body) as answer:
                await answer.head(silence)
                if answer.status == 401:
                    raise ManagerAbsent("it refuses the token: do both read the same token file?")
                yield answer
        except UpstreamError as error:
            raise ManagerAbsent(str(error)) from error

    def _headers(self, body: bytes) -> Mapping[bytes, bytes]:
        headers = {
            b"authorization": b"Bearer " + self._token().encode(),
            b"x-roundhouse-peer": self._peer,
            b"content-length": b"%d" % len(body),
        }
        trace = self._trace()
        if trace:
            headers[TRACE] = trace
        return {**headers, b"content-type": b"application/json"} if body else headers

    @asynccontextmanager
    async def lease(self, model: str) -> AsyncIterator[AsyncIterator[LeaseEvent]]:
        """The lease's stream. Raises ManagerAbsent, and ApiError where the manager refuses."""
        async with self.request(b"POST", _path_of(model, "lease")) as answer:
            if answer.status != 200:
                await _refuse(answer)
            async with aclosing(_lease_events(answer)) as events:
                yield events

    async def keep(self, model: str, seconds: float) -> None:
        """The model is to stay so long without use, inf for ever. Raises ManagerAbsent, and ApiError where refused."""
        body = KeepWish.of(seconds).model_dump_json().encode()
        async with self.request(b"POST", _path_of(model, "keep"), body=body) as answer:
            if not 200 <= answer.status < 300:
                await _refuse(answer)
            await answer.read_all(SILENCE, ERROR_LIMIT)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of the event stream. Raises ManagerAbsent, and ApiError where the manager refuses."""
        async with self.request(b"GET", b"/events") as answer:
            if answer.status != 200:
                await _refuse(answer)
            async with aclosing(_lines(answer)) as lines:
                yield lines


def _path_of(model: str, verb: str) -> bytes:
    return f"/models/{quote(model, safe='')}/{verb}".encode()


async def _lines(answer: Connection) -> AsyncGenerator[bytes, None]:
    """The lines of an answer, without their ends. Raises ManagerAbsent for one without end."""
    rest = b""
    while data := await answer.read(SILENCE):
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise ManagerAbsent(f"a line of more than {LINE_LIMIT} bytes")
        for line in whole:
            yield line


async def _lease_events(answer: Connection) -> AsyncGenerator[LeaseEvent, None]:
    async with aclosing(_lines(answer)) as lines:
        async for line in lines:
            yield _lease_event(line)


def _lease_event(line: bytes) -> LeaseEvent:
    try:
        return decode_event(line)
    except ValueError as error:
        raise ManagerAbsent(f"not a lease event: {line[:200]!r}") from error


class _Failure(msgspec.Struct):
    message: str
    code: str | None = None
    param: str | None = None


class _FailureBody(msgspec.Struct):
    error: _Failure


async def _refuse(answer: Connection) -> NoReturn:
    body = await answer.read_all(SILENCE, ERROR_LIMIT)
    try:
        failure = msgspec.json.decode(body, type=_FailureBody).error
    except msgspec.DecodeError as error:
        raise ManagerAbsent(f"status {answer.status} without a reason") from error
    raise ApiError(
        answer.status,
        failure.code,
        failure.message,
        param=failure.param,
        origin=Origin.MANAGER,
        headers=_advice(answer.headers),
    )


def _advice(headers: Mapping[bytes, bytes]) -> Mapping[str, str]:
    """When, and whether, to ask again."""
    wait = headers.get(b"retry-after", b"")
    kept = {"retry-after": wait.decode()} if wait.isdigit() else {}
    return {**kept, **DO_NOT_RETRY} if headers.get(b"x-should-retry") == b"false" else kept
