"""What must not delay a neighbour: large bodies, and readers that are slow. Each is a thread of blocking calls."""

import base64
import io
import os
import socket
import threading
import time
from urllib.parse import urlsplit

from PIL import Image

from benchmarks.gateway.question import chat_with_picture, pace
from benchmarks.gateway.streams import request_of
from benchmarks.gateway.subjects import Subject

BASE64_SIZE = 8 * 2**20
SLOW_READERS = 20
READ_SIZE, READ_PAUSE = 4096, 0.05
PATIENCE = 30.0


def large_body() -> bytes:
    """A request with a picture that is 8 MB in base64: noise, which no format makes smaller."""
    side = int((BASE64_SIZE * 3 / 4 / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(file, "PNG", compress_level=1)
    return chat_with_picture(f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")


def send_large_bodies(subject: Subject, body: bytes, ended: threading.Event) -> int:
    """One after the other -> how many were answered. Raises RuntimeError for one that was not."""
    count = 0
    while not ended.is_set():
        status, answer = subject.ask(body)
        if status != 200:
            raise RuntimeError(f"the large body got {status}: {answer[:300]!r}")
        count += 1
    return count


def read_slowly(subject: Subject, ended: threading.Event) -> int:
    """A stream of large deltas, as fast as they come, read a little at a time -> the bytes that were read."""
    where = urlsplit(subject.base_url)
    count = 0
    with socket.socket() as connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_SIZE)
        connection.connect((where.hostname, where.port))
        connection.sendall(request_of(subject.base_url, subject.key, pace(0, 100_000, size=64 * 2**10)))
        while not ended.is_set():
            count += len(connection.recv(READ_SIZE))
            time.sleep(READ_PAUSE)
    return count
