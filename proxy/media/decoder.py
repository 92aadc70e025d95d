"""Decoding in programs of their own: a picture that kills one is refused, and the next has a new one."""

import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from contract.sizes import show_bytes
from proxy.media.films import Films
from proxy.media.limits import MediaLimits
from proxy.media.outline import Pieces
from proxy.media.refusal import MediaRefused, crowded
from proxy.media.worker import BASE64, HEAD, OK, SMALL, SOUND
from proxy.on_failure import on_failure_await

URL_HEAD = 128  # bytes in which a data URL of ours has come to its data
READ_SIZE = 128 * 2**10
PROGRAM = Path(__file__).with_name("worker.py")

REASONS = MappingProxyType(
    {
        "not_base64": "it is not base64",
        "not_a_picture": "it is no PNG, JPEG or WEBP picture",
        "not_a_sound": "it is no WAV or MP3 sound",
        "too_many_pixels": "the picture has too many pixels; send a smaller one",
        "damaged_picture": "the picture is damaged",
    }
)


@dataclass(eq=False)
class _Program:
    """A program that runs; `is_new` until it has answered once."""

    process: asyncio.subprocess.Process
    is_new: bool = True


class _Died(Exception):
    """The program ended before it answered."""

    def __init__(self, was_new: bool) -> None:
        super().__init__()
        self.was_new = was_new


class Decoder:
    """Up to `limits.workers` programs, started when the first picture comes, and used again."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self._films = Films(limits)
        self._slots = asyncio.Semaphore(limits.workers)
        self._idle: list[_Program] = []
        self._present = 0

    def __repr__(self) -> str:
        return f"<Decoder {self._present} pictures, {len(self._idle)} idle programs>"

    @property
    def largest(self) -> int:
        """Bytes of a file that is looked at."""
        return self._limits.size

    async def picture(self, data: bytes, *, is_base64: bool) -> str:
        """A file -> a data URL of the picture. Raises MediaRefused, and ApiError (503) where too many wait."""
        return _text(await self.remake((data,), is_base64=is_base64))

    async def sound(self, data: bytes, *, is_base64: bool) -> str:
        """A file -> a data URL of the sound. Raises like `picture`."""
        return _text(await self.remake((data,), is_base64=is_base64, is_sound=True))

    async def thumbnail(self, data: bytes) -> str:
        """A picture's file -> a data URL of the same, small, as WEBP. Raises like `picture`."""
        return _text(await self._decode(SMALL, (data,)))

    async def poster(self, clip: bytes) -> bytes:
        """The beginning of an MP4 or WEBM, small, as WEBP. Raises MediaRefused."""
        return await self._films.poster(clip)

    async def remake(self, pieces: Pieces, *, is_base64: bool, is_sound: bool = False) -> list[bytes]:
        """The pieces of a file -> those of a data URL; the first holds all before the data. Raises like `picture`."""
        return await self._decode((SOUND if is_sound else 0) | (BASE64 if is_base64 else 0), pieces)

    async def _decode(self, kind: int, data: Pieces) -> list[bytes]:
        limit = self._limits.size
        if sum(map(len, data)) > (limit * 4 // 3 + 4 if kind & BASE64 else limit):
            raise MediaRefused("media_too_large", f"the file is larger than {show_bytes(limit)}")
        if self._present >= self._limits.workers + self._limits.waiting:
            raise crowded()
        self._present += 1
        try:
            async with self._slots:
                return await self._use(kind, data)
        finally:
            self._present -= 1

    async def _use(self, kind: int, data: Pieces) -> list[bytes]:
        try:
            return await self._try(await self._take(), kind, data)
        except _Died as death:
            if death.was_new:
                raise _refused("damaged_picture") from death
        # One that had rested may have died of nothing of this picture's.
        try:
            return await self._try(await self._start(), kind, data)
        except _Died as death:
            raise _refused("damaged_picture") from death

    async def _try(self, program: _Program, kind: int, data: Pieces) -> list[bytes]:
        async with on_failure_await(partial(_end, program)):
            try:
                async with asyncio.timeout(self._limits.decode):
                    status, body = await _ask(program.process, kind, data)
            except TimeoutError as error:
                raise _refused("damaged_picture") from error
            except (OSError, asyncio.IncompleteReadError) as error:
                raise _Died(program.is_new) from error
        program.is_new = False
        self._idle.append(program)
        if status != OK:
            raise _refused(_text(body))
        return body

    async def _take(self) -> _Program:
        while self._idle:
            program = self._idle.pop()
            if program.process.returncode is None:
                return program
        return await self._start()

    async def _start(self) -> _Program:
        limits = (self._limits.memory, self._limits.pixels, max(1, round(self._limits.decode)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(PROGRAM), *map(str, limits)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        return _Program(process)

    async def close(self) -> None:
        """End the programs."""
        while self._idle:
            await _end(self._idle.pop())


async def _ask(program: asyncio.subprocess.Process, kind: int, data: Pieces) -> tuple[int, list[bytes]]:
    """Raises OSError and IncompleteReadError where the program ends over it."""
    if program.stdin is None or program.stdout is None:
        raise BrokenPipeError
    program.stdin.write(HEAD.pack(kind, sum(map(len, data))))
    for piece in data:
        program.stdin.write(piece)
    await program.stdin.drain()
    status, length = HEAD.unpack(await program.stdout.readexactly(HEAD.size))
    return status, await _read(program.stdout, length)


async def _read(stream: asyncio.StreamReader, length: int) -> list[bytes]:
    """So many bytes, as they come: to put megabytes together is a step too long."""
    pieces = [await stream.readexactly(min(length, URL_HEAD))]
    left = length - len(pieces[0])
    while left:
        piece = await stream.read(min(left, READ_SIZE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        pieces.append(piece)
        left -= len(piece)
    return pieces


def _text(pieces: list[bytes]) -> str:
    return b"".join(pieces).decode("ascii")


async def _end(program: _Program) -> None:
    if program.process.returncode is None:
        program.process.kill()
    await program.process.wait()


def _refused(code: str) -> MediaRefused:
    return MediaRefused(code if code in REASONS else "damaged_picture", REASONS.get(code, REASONS["damaged_picture"]))
