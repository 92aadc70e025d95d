"""One file of a repository into the hub's cache: gone on with where it stopped, and its hash checked when it is whole.

The hub's own client begins a file anew in each process; here what was fetched stays as `HASH.incomplete` among the
blobs, so that a fetch which was ended, or whose line broke, loses nothing.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # what its own client locks a blob with
from tenacity import RetryCallState, Retrying, retry_if_exception

from manager.weights.hashes import hash_of

PASSING = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_WAIT = 60.0


class BrokenTransfer(Exception):
    """Raised where less arrived than was announced, or something else: it is worth another try."""


class Ended(Exception):
    """Raised where another file of the same fetch has failed for good."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub. `hash` begins with `sha256:` or `git:`."""

    name: str
    url: str
    size: int
    hash: str

    @property
    def blob(self) -> str:
        """Its name among the blobs."""
        return self.hash.partition(":")[2]


@dataclass(frozen=True)
class Cached:
    """Where a file's parts are in a repository's folder of the cache."""

    repository: Path
    commit: str

    def blob(self, file: RemoteFile) -> Path:
        return self.repository / "blobs" / file.blob

    def part(self, file: RemoteFile) -> Path:
        return self.repository / "blobs" / f"{file.blob}.incomplete"

    def pointer(self, file: RemoteFile) -> Path:
        return self.repository / "snapshots" / self.commit / file.name

    def lock(self, file: RemoteFile) -> Path:
        """The hub's own client takes it too."""
        return self.repository.parent / ".locks" / self.repository.name / f"{file.blob}.lock"

    def bytes_here(self, file: RemoteFile) -> int:
        """Of the whole file, or of what was fetched until now."""
        places = (self.pointer(file), self.blob(file), self.part(file))
        return next((min(file.size, place.stat().st_size) for place in places if place.is_file()), 0)


@dataclass(frozen=True)
class Patience:
    """How often in a row a try may bring nothing, and the seconds before the second, which double each time."""

    tries: int = 5
    first_wait: float = 1.0


PATIENCE = Patience()


class Download:
    """One file on its way. `over` ends it between two pieces."""

    def __init__(self, client: httpx2.Client, place: Cached, file: RemoteFile, over: threading.Event) -> None:
        self.client = client
        self.file = file
        self.place = place
        self.over = over
        self._fruitless = 0
        self._here = 0

    def run(self, patience: Patience) -> None:
        """Raises what the last try raised: HfHubHTTPError, httpx2.HTTPError, BrokenTransfer, OSError, Ended."""
        lock = self.place.lock(self.file)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if not _is_whole(self.place.pointer(self.file), self.file.size):
                if not _is_whole(self.place.blob(self.file), self.file.size):
                    self._fetch(patience)
                link(self.place.blob(self.file), self.place.pointer(self.file))

    def _fetch(self, patience: Patience) -> None:
        self._here = _size(self.place.part(self.file))
        for attempt in Retrying(
            retry=retry_if_exception(passes),
            after=self._count,
            wait=lambda state: wait_before(error_of(state), patience.first_wait * 2 ** max(0, self._fruitless - 1)),
            stop=lambda state: self._fruitless >= patience.tries,
            sleep=self._sleep,
            reraise=True,
        ):
            with attempt:
                self._go_on()
                self._check()
        self.place.part(self.file).replace(self.place.blob(self.file))

    def _count(self, _: RetryCallState) -> None:
        """After each try that failed: one that brought something gives back all patience."""
        here = _size(self.place.part(self.file))
        self._fruitless = 0 if here > self._here else self._fruitless + 1
        self._here = here

    def _sleep(self, seconds: float) -> None:
        if self.over.wait(seconds):
            raise Ended

    def _go_on(self) -> None:
        part = self.place.part(self.file)
        here = _size(part)
        if here > self.file.size:
            part.unlink()
            here = 0
        if here == self.file.size > 0:
            return
        headers = {"Range": f"bytes={here}-"} if here else {}
        with self.client.stream("GET", self.file.url, headers=headers) as response:
            require_success(response)
            with part.open("ab" if response.status_code == 206 else "wb") as sink:
                for piece in response.iter_bytes():
                    if self.over.is_set():
                        raise Ended
                    sink.write(piece)
        if _size(part) != self.file.size:
            raise BrokenTransfer(f"{self.file.name} ended early")

    def _check(self) -> None:
        part = self.place.part(self.file)
        if hash_of(part, self.file.hash) != self.file.hash:
            part.unlink()
            self._here = 0
            raise BrokenTransfer(f"{self.file.name} arrived with another hash than the hub gives")


def require_success(response: httpx2.Response) -> None:
    """Raises the hub's own errors, which say more than a status."""
    if response.is_error:
        response.read()
        hf_raise_for_status(response)


def passes(error: BaseException) -> bool:
    """Whether a failure may be over in a moment."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return isinstance(error, httpx2.TransportError | BrokenTransfer)


def error_of(state: RetryCallState) -> BaseException | None:
    """Why the last try failed."""
    return state.outcome.exception() if state.outcome else None


def wait_before(error: BaseException | None, seconds: float) -> float:
    """Seconds until the next try: what the hub asks for, or `seconds`; at most a minute."""
    asked = error.response.headers.get("retry-after", "") if isinstance(error, HfHubHTTPError) else ""
    return min(LONGEST_WAIT, float(asked) if asked.isdecimal() else seconds)


def link(blob: Path, pointer: Path) -> None:
    """A file's own name beside its blob's; where a file system has no links the blob is moved there."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        blob.replace(pointer)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _is_whole(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size
