"""An object that is read: from where it is asked for on, in one stream, and no further than it is wanted."""

from proxy.artifacts.bucket.line import Body, Line, close_quietly
from proxy.artifacts.failures import BucketAway


class BucketContent:
    """Belongs to one reader. `stop`: nothing is fetched from there on."""

    def __init__(self, line: Line, key: str, stop: int | None) -> None:
        self._line = line
        self._key = key
        self._stop = stop
        self._body: Body | None = None
        self._at = 0

    @property
    def size(self) -> int:
        return int(self._line.ask("head_object", Key=self._key)["ContentLength"])

    def read(self, start: int, length: int) -> bytes:
        try:
            return self._read(start, length)
        except BucketAway:
            # A stream whose reader was slow may have been ended by the server: where it stopped, it goes on.
            self.close()
            return self._read(start, length)

    def is_same(self, other: "BucketContent") -> bool:
        return self._key == other._key

    def close(self) -> None:
        close_quietly(self._body)
        self._body = None

    def _read(self, start: int, length: int) -> bytes:
        if self._stop is not None and start >= self._stop:
            return b""
        if self._body is None or self._at != start:
            self.close()
            self._body, self._at = self._line.fetch(self._key, start, self._stop), start
        if self._body is None:
            return b""
        data = self._line.read(self._body, length)
        self._at += len(data)
        return data
