"""The memory that the workers of one proxy share. Their parent makes it; it is gone with the last of them.

It is as large as its tables and takes as much as is written to: a page for each holder of limits in use.
"""

import os
import sys
from mmap import mmap
from tempfile import TemporaryFile

from proxy.sharing.table import Shape, Table

LIMITS = Shape(sets=2048, ways=16, size=64)
RESPONSES = Shape(sets=1024, ways=16, size=128)
COUNT = 4  # bytes of a number of running requests


def make_memory(workers: int) -> int:
    """A file without a name, full of zeros -> its descriptor."""
    size = LIMITS.bytes + RESPONSES.bytes + workers * LIMITS.records * COUNT
    if sys.platform == "linux":
        file = os.memfd_create("roundhouse-proxy", os.MFD_CLOEXEC)
    else:
        with TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.ftruncate(file, size)
    return file


class SharedMemory:
    """`limits` and `responses` are tables; `running` holds each worker's running requests of each record of limits."""

    def __init__(self, file: int, workers: int) -> None:
        memory = mmap(file, LIMITS.bytes + RESPONSES.bytes + workers * LIMITS.records * COUNT)
        self.limits = Table(file, memory, 0, LIMITS)
        self.responses = Table(file, memory, LIMITS.bytes, RESPONSES)
        self.running = memoryview(memory)[LIMITS.bytes + RESPONSES.bytes :].cast("i")

    def forget(self, worker: int) -> None:
        """Give back what a worker that has died was running. It must not live any more."""
        first = worker * LIMITS.records
        self.running[first : first + LIMITS.records] = memoryview(bytes(LIMITS.records * COUNT)).cast("i")
