"""What must not delay a neighbour: `python -m benchmarks.gateway.disturbances bodies|readers URL KEY`.

Large bodies, or readers that are slow, until it is asked to end; then it prints what it got done. It is a program of
its own, and gives way to all else on its core: what it keeps its neighbours waiting for is the proxy's part alone.
"""

import base64
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from urllib.parse import urlsplit

from PIL import Image

from benchmarks.gateway.question import chat_with_picture, pace
from benchmarks.gateway.streams import request_of
from benchmarks.gateway.subjects import post_chat

BASE64_SIZE = 8 * 2**20
SLOW_READERS = 20
READ_SIZE, READ_PAUSE = 4096, 0.05
PATIENCE = 30.0
NICENESS = 15

Work = Callable[[str, str, threading.Event], int]  # at this URL with this key, until the event is set


def main() -> int:
    work, count = WORKS[sys.argv[1]]
    os.nice(NICENESS)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ended = threading.Event()
    with ThreadPoolExecutor(count) as threads:
        done = [threads.submit(work, sys.argv[2], sys.argv[3], ended) for _ in range(count)]
        signal.sigwait({signal.SIGTERM})
        ended.set()
    print(sum(each.result() for each in done))
    return 0


def large_body() -> bytes:
    """A request with a picture that is 8 MB in base64: noise, which no format makes smaller."""
    side = int((BASE64_SIZE * 3 / 4 / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(file, "PNG", compress_level=1)
    return chat_with_picture(f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")


def send_large_bodies(base_url: str, key: str, ended: threading.Event) -> int:
    """One after the other -> how many were answered. Raises RuntimeError for one that was not."""
    body = large_body()
    count = 0
    while not ended.is_set():
        status, answer = post_chat(base_url, key, body)
        if status != 200:
            raise RuntimeError(f"the large body got {status}: {answer[:300]!r}")
        count += 1
    return count


def read_slowly(base_url: str, key: str, ended: threading.Event) -> int:
    """A stream of large deltas, as fast as they come, read a little at a time -> the bytes that were read."""
    where = urlsplit(base_url)
    count = 0
    with socket.socket() as connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_SIZE)
        connection.connect((where.hostname, where.port))
        connection.sendall(request_of(base_url, key, pace(0, 100_000, size=64 * 2**10)))
        while not ended.is_set():
            count += len(connection.recv(READ_SIZE))
            time.sleep(READ_PAUSE)
    return count


WORKS: Mapping[str, tuple[Work, int]] = MappingProxyType(
    {"bodies": (send_large_bodies, 1), "readers": (read_slowly, SLOW_READERS)}
)


if __name__ == "__main__":
    sys.exit(main())
