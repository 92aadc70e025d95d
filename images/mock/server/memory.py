"""Memory that the engine really has, so that a ledger that measures can see it come and go."""

import mmap

# Pages are touched one by one: memory that nobody wrote to is a promise, and no measure shows it.
PAGE = 4096


class Resident:
    """`size` bytes, taken and given back to the system as a whole. Both block, some tenths of a second a GiB."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pages: mmap.mmap | None = None

    def __repr__(self) -> str:
        return f"<Resident {'taken' if self._pages else 'given back'}: {self.size} bytes>"

    def take(self) -> None:
        """What is taken already stays as it is. Raises OSError where the system refuses."""
        if self._pages is None and self.size:
            pages = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            pages[::PAGE] = b"\x01" * len(range(0, self.size, PAGE))
            self._pages = pages

    def give_back(self) -> None:
        if self._pages is not None:
            self._pages.close()
            self._pages = None
