"""One large file through a proxy of its own, over a socket, and what the proxy's memory does meanwhile."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PIECE = os.urandom(2**20)
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Spent:
    """Seconds, and by how many bytes the memory grew at most."""

    upload: float
    download: float
    up_growth: int
    down_growth: int


class Watched:
    """The resident memory of a process, sampled: how far it grew over what it was at first."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._base = self._process.memory_info().rss
        self.growth = 0

    async def watch(self) -> None:
        while True:
            self.growth = max(self.growth, self._process.memory_info().rss - self._base)
            await asyncio.sleep(SAMPLE_SECONDS)


async def large_file(folder: Path, size: int) -> Spent:
    """Uploaded as a form, and downloaded again."""
    async with proxy(folder) as (pid, port):
        await upload(port, 2**20)  # whatever is loaded at the first use is loaded
        watched = Watched(pid)
        watching = asyncio.create_task(watched.watch())
        began = time.perf_counter()
        path = await upload(port, size)
        middle, up_growth = time.perf_counter(), watched.growth
        got = await download(port, path)
        ended = time.perf_counter()
        watching.cancel()
        assert got == size, f"{got} of {size} bytes came back"
        return Spent(middle - began, ended - middle, up_growth, watched.growth)


@asynccontextmanager
async def proxy(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Process id and port of a proxy that knows no manager: artifacts need none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    names = {"proxy_port": port, "manager_url": "http://127.0.0.1:9", "token_file": folder / "token"}
    names |= {"key_store": folder / "keys", "artifacts_dir": folder / "proxy", "job_file": folder / "jobs"}
    settings = {f"ROUNDHOUSE_{name.upper()}": str(value) for name, value in names.items()}
    what = (sys.executable, "-m", "proxy")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*what, env={**os.environ, **settings}, stdout=quiet, stderr=quiet)
    try:
        while not await listens(port):  # noqa: ASYNC110 - another process's port has no event
            await asyncio.sleep(SAMPLE_SECONDS)
        yield process.pid, port
    finally:
        process.terminate()
        await process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def upload(port: int, size: int) -> str:
    """The path of its content."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    first = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    last = b"\r\n--edge--\r\n"
    head = b"POST /v1/artifacts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += b"content-type: multipart/form-data; boundary=edge\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n" % (len(first) + size + len(last)) + first)
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    writer.write(last)
    answer = await reader.read()
    writer.close()
    path: str = json.loads(answer.partition(b"\r\n\r\n")[2])["content_url"]
    return path


async def download(port: int, path: str) -> int:
    """Bytes of the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    size = 0
    while piece := await reader.read(2**20):
        size += len(piece)
    writer.close()
    return size
