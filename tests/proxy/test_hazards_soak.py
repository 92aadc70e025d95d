"""Hazard J6: under a mixed load that goes on and on, nothing of the proxy's process grows.

In the long suite for ten minutes. What comes and goes a thousand times is in `test_hazards_streams.py`, in every run.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

import httpx
import psutil
import pytest

from tests.proxy.keyed import ADMIN, CHAT
from tests.proxy.process import serving

pytestmark = [pytest.mark.anyio, pytest.mark.long, pytest.mark.timeout(900)]
SECONDS = 600.0
WARM = 0.2  # of that, until everything that is made once has been made
CHATS = 20
UPLOADS = 3
LEFT = 4096  # bytes at most of each artifact that was deleted: its name is remembered for a while
JSON = {"content-type": "application/json"}
BAD = ("{", '{"model":"none","messages":[]}', '{"model":"small","messages":[],"stream":5}')


@dataclass(frozen=True)
class Size:
    """What the proxy and its decoder hold: bytes, descriptors, threads, processes; and files, in number and bytes."""

    memory: int
    descriptors: int
    threads: int
    processes: int
    files: int
    stored: int

    @classmethod
    def of(cls, pid: int, folder: Path) -> Self:
        own = psutil.Process(pid)
        all_of_it = [own, *own.children(recursive=True)]
        files = [path for path in folder.rglob("*") if path.is_file()]
        return cls(
            memory=sum(each.memory_info().rss for each in all_of_it),
            descriptors=sum(each.num_fds() for each in all_of_it),
            threads=sum(each.num_threads() for each in all_of_it),
            processes=len(all_of_it),
            files=len(files),
            stored=sum(path.stat().st_size for path in files),
        )


async def turn(client: httpx.AsyncClient, port: int) -> None:
    """A little of everything."""
    good = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
    answers = await asyncio.gather(*(client.post(CHAT, json=good) for _ in range(CHATS)))
    assert {answer.status_code for answer in answers} == {200}
    streamed = await client.post(CHAT, json=good | {"stream": True})
    assert b"[DONE]" in streamed.content
    for bad in BAD:
        assert 400 <= (await client.post(CHAT, content=bad, headers=JSON)).status_code < 500
    assert (await client.get("/v1/models", headers={"authorization": "Bearer none"})).status_code in {401, 429}
    for _ in range(UPLOADS):
        made = await client.post("/v1/artifacts", files={"file": ("a.txt", b"some text " * 5000, "text/plain")})
        assert made.status_code == 201, made.text
        where = f"/v1/artifacts/{made.json()['id']}"
        assert len((await client.get(f"{where}/content")).content) == 50_000
        assert (await client.delete(where)).status_code == 200
    assert (await client.get("/metrics")).status_code == 200


async def leave(client: httpx.AsyncClient) -> None:
    """A stream that its caller does not hear to its end."""
    body = {"model": "small", "stream": True, "messages": [], "fake": {"tokens": 50, "delay": 0.01}}
    async with client.stream("POST", CHAT, json=body) as answer:
        async for _ in answer.aiter_bytes():
            return


async def soak(port: int, pid: int, folder: Path, seconds: float) -> list[Size]:
    """The sizes at the end of every round."""
    sizes = list[Size]()
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        file_key = {"authorization": f"Bearer {ADMIN}"}  # may have been guessed: bad keys lock it out, and no other
        made = await client.post("/admin/keys", json={"name": "soak", "admin": True}, headers=file_key)
        client.headers["authorization"] = f"Bearer {made.json()['key']}"
        while loop.time() < end:
            await turn(client, port)
            await asyncio.gather(*(leave(client) for _ in range(5)))
            sizes.append(Size.of(pid, folder))
    return sizes


async def swallow(lines: asyncio.StreamReader | None) -> None:
    """The log: a pipe that nobody reads is full one day, and then whoever writes waits."""
    while lines is not None and await lines.read(2**16):
        pass


async def test_nothing_grows_under_a_mixed_load(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ADMIN)
    async with serving(tmp_path, key_file=str(tmp_path / "key")) as (process, port, _):
        reading = asyncio.gather(swallow(process.stdout), swallow(process.stderr))
        try:
            sizes = await soak(port, process.pid, tmp_path, SECONDS)
        finally:
            process.terminate()
            await reading
    assert_flat(sizes)


def assert_flat(sizes: list[Size]) -> None:
    """What was held when everything was warm, and at the end: medians of a tenth of all rounds."""
    tenth = max(1, len(sizes) // 10)
    warm = int(len(sizes) * WARM)
    before, after = sizes[warm : warm + tenth], sizes[-tenth:]

    def grown(name: str) -> float:
        first, last = ([float(getattr(size, name)) for size in part] for part in (before, after))
        return median(last) - median(first)

    told = f"{sizes[warm]} -> {sizes[-1]} in {len(sizes)} rounds"
    assert grown("memory") < 16 * 2**20, told
    assert abs(grown("descriptors")) <= 8, told
    assert abs(grown("threads")) <= 2, told
    assert grown("processes") == 0, told
    assert grown("files") <= 2, told
    assert grown("stored") < 4 * 2**20 + LEFT * UPLOADS * len(sizes), told
