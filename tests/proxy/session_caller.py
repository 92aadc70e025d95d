"""One chat session over one kept connection: turn after turn, each read to its end or left in the middle."""

import asyncio
import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fakes.numbered_engine import NumberedEngine, words_of

HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    "authorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
)


@dataclass(frozen=True)
class Plan:
    """What one turn is: leave_after None reads it whole; 0 leaves before the first token, else after so many."""

    stream: bool
    events: int
    delay: float
    leave_after: int | None


class SessionCaller:
    """`wrong` tells every answer that was not what was asked for, `refused` counts those of a limit."""

    def __init__(self, name: str, port: int, key: str, engine: NumberedEngine) -> None:
        self.name = name
        self.wrong: list[str] = []
        self.whole = 0
        self.left = 0
        self.refused = 0
        self._port = port
        self._key = key
        self._engine = engine
        self._turn = 0
        self._random = Random(name)
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, until: float) -> None:
        """Turns until the loop's clock says so; the last is read whole."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._random.random())
        while clock() < until:
            await self.take_turn(self._plan())
        await self.take_turn(Plan(stream=True, events=5, delay=0.02, leave_after=None))
        self.close()

    async def take_turn(self, plan: Plan) -> None:
        self._turn += 1
        reader, writer = self._link = self._link or await asyncio.open_connection("127.0.0.1", self._port)
        body = {"model": "small", "session": self.name, "turn": self._turn, "stream": plan.stream}
        data = json.dumps(body | {"events": plan.events, "delay": plan.delay}).encode()
        writer.write(HEAD.format(key=self._key, length=len(data)).encode() + data)
        if plan.leave_after is None:
            await self._read_whole(reader, plan)
        else:
            await self._leave(reader, plan)

    def close(self) -> None:
        if self._link is not None:
            self._link[1].transport.abort()
        self._link = None

    def _plan(self) -> Plan:
        dice = self._random
        events, stream = dice.randint(1, 30), dice.random() < 0.8
        leaves = dice.random() < 0.35
        place = dice.randint(0, events - 1) if stream else 0
        return Plan(stream, events, dice.uniform(0.02, 0.15), place if leaves else None)

    async def _read_whole(self, reader: asyncio.StreamReader, plan: Plan) -> None:
        status, body = await read_answer(reader)
        if status == 429:
            self.refused += 1
            await asyncio.sleep(0.05)
            return
        expected = words_of((self.name, self._turn), plan.events)
        if status != 200 or not is_whole(body, plan.stream, expected):
            self.wrong.append(f"{self.name}/{self._turn}: {status} {body[-300:]!r}")
        self.whole += 1

    async def _leave(self, reader: asyncio.StreamReader, plan: Plan) -> None:
        """What came until then must be the answer's beginning."""
        if plan.leave_after:
            mark = f"/{self._turn}/{plan.leave_after - 1} ".encode()
            data = await read_until(reader, mark)
            if b" 429 " not in data[:20]:
                words = words_of((self.name, self._turn), plan.leave_after)
                if contents_of(data) != words:
                    self.wrong.append(f"{self.name}/{self._turn}: left with {data[-300:]!r}")
        else:
            await asyncio.sleep(self._random.uniform(0, 0.1))
        self._engine.caller_left((self.name, self._turn))
        self.close()
        self.left += 1


def is_whole(body: bytes, stream: bool, expected: list[str]) -> bool:
    """Every word once and in order, and an end."""
    if not stream:
        message: dict[str, Any] = json.loads(body)["choices"][0]["message"]
        return bool(message["content"] == "".join(expected))
    return contents_of(body) == expected and body.endswith(b"data: [DONE]\n\n") and body.count(b"[DONE]") == 1


def contents_of(data: bytes) -> list[str]:
    """The words of the events, chunks' frames or not."""
    words = []
    for line in data.split(b"\n"):
        if line.startswith(b'data: {"id"'):
            words.append(str(json.loads(line[6:])["choices"][0]["delta"]["content"]))
    return words


async def read_until(reader: asyncio.StreamReader, mark: bytes) -> bytes:
    """All to the end of the event with the mark; a refusal to its head's end."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        return head
    return head + await reader.readuntil(mark) + await reader.readuntil(b"\n\n")


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One answer of a kept connection -> its status and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ")[1])
    if "content-length: " in head:
        return status, await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return status, b"".join(parts)
