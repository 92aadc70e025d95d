"""The one fetcher of media: a URL -> bytes, and nothing but what the operator's list allows.

The name is resolved once, every address of the answer must be public, and the connection goes to such an address, so
that a second answer of the resolver changes nothing. A redirect is a refusal. Proxies and passwords of the environment
are not read, since nothing here reads any.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from contract.sizes import show_bytes
from proxy.gateway.answer import Answer
from proxy.gateway.upstream_errors import AnswerInvalid
from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused
from proxy.media.urls import Target, is_public, parse_url, require_allowed

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve = Callable[[str], Awaitable[Sequence[str]]]
Dial = Callable[[str, int, str | None], Awaitable[Streams]]

AT_ONCE = 8
CHUNK = 64 * 2**10
MOST_DIGITS = 20  # of a length that is read as a number


async def resolve(host: str) -> Sequence[str]:
    """A name -> all its addresses. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


class Dialler:
    """Connects to an address, with TLS where a server's name is given: its certificate must bear that name."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def __call__(self, address: str, port: int, server_name: str | None) -> Streams:
        if server_name is None:
            return await asyncio.open_connection(address, port)
        return await asyncio.open_connection(address, port, ssl=self._tls, server_hostname=server_name)


class Fetcher:
    """Fetches files of `limits.size` bytes at most from hosts that `limits.hosts` names."""

    def __init__(self, limits: MediaLimits, resolve: Resolve, dial: Dial) -> None:
        self._limits = limits
        self._resolve = resolve
        self._dial = dial
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, url: str) -> bytes:
        """Raises MediaRefused, whose text says nothing of addresses."""
        target = parse_url(url)
        require_allowed(target, self._limits.hosts)
        try:
            async with self._slots, asyncio.timeout(self._limits.fetch):
                return await self._get(target)
        except TimeoutError as error:
            raise _failed("it took too long") from error
        except AnswerInvalid as error:
            raise _failed("its answer is not HTTP") from error
        except OSError as error:  # and with it what TLS says
            raise _failed("its host cannot be reached") from error

    async def _get(self, target: Target) -> bytes:
        addresses = await self._resolve(target.host)
        if not addresses or not all(map(is_public, addresses)):
            raise MediaRefused("media_host_not_allowed", "its host is not on the public internet")
        reader, writer = await self._dial(addresses[0], target.port, target.host if target.tls else None)
        try:
            writer.write(_request(target))
            return await self._read(reader)
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        answer = Answer()
        while not answer.is_complete:
            data = await reader.read(CHUNK)
            if not data and answer.ends_with_the_connection:
                break
            if not data:
                raise _failed("the answer ended too early")
            answer.feed(data)
            if answer.has_head:
                _check_head(answer, self._limits.size)
            if answer.buffered > self._limits.size:
                raise _too_large(self._limits.size)
        if not answer.buffered:
            raise _failed("the answer is empty")
        return answer.take()


def _request(target: Target) -> bytes:
    """Built fresh: nothing of the caller's request goes along."""
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"host: {target.authority}",
        "accept: image/png, image/jpeg, image/webp, audio/wav, audio/mpeg",
        "accept-encoding: identity",
        "user-agent: roundhouse",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _check_head(answer: Answer, limit: int) -> None:
    if 300 <= answer.status < 400:
        raise _failed("it redirects to another place; send the last URL itself")
    if answer.status != HTTPStatus.OK:
        raise _failed(f"its host answered with status {answer.status}")
    if answer.headers.get(b"content-encoding", b"").lower() not in {b"", b"identity"}:
        raise _failed("its answer is compressed, though no compression was asked for")
    length = answer.headers.get(b"content-length", b"0")
    if len(length) > MOST_DIGITS or int(length) > limit:
        raise _too_large(limit)


def _failed(why: str) -> MediaRefused:
    return MediaRefused("media_not_fetched", f"the file could not be fetched: {why}")


def _too_large(limit: int) -> MediaRefused:
    return MediaRefused("media_too_large", f"the file is larger than {show_bytes(limit)}")
