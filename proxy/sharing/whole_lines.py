"""Lines of several processes in one stream: none is cut by another's."""

import os

ATOMIC = 4096  # bytes that go into a pipe at once or not at all


class WholeLines:
    """Writes lines together, as many as the system takes in one piece."""

    def __init__(self, file: int) -> None:
        self._file = file

    def write(self, text: str, /) -> int:
        """`text` is lines, each with its end. They are written when this returns."""
        gathered: list[bytes] = []
        size = 0
        for line in text.encode(errors="backslashreplace").splitlines(keepends=True):
            if size + len(line) > ATOMIC and gathered:
                os.write(self._file, b"".join(gathered))
                gathered, size = [], 0
            gathered.append(line)
            size += len(line)
        if gathered:
            os.write(self._file, b"".join(gathered))
        return len(text)

    def flush(self) -> None:
        """There is nothing left to do."""
