"""Where the store has its files: what is finished in a place that a subclass knows, all else on this machine.

    staging/                what is on its way in
    uploads/                what comes in parts: `upload_folder.py`
    lock                    shared by all who use the store; whoever has it alone may sweep

What is finished has a folder for each kind, and names as in `names.py`, on the disk as in a bucket. Every call blocks;
the errors are OSError, and FileNotFoundError for what is not there.
"""

import fcntl
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

from contract.artifacts import ArtifactKind, Sidecar
from proxy.artifacts.names import BLOCKS, META, THUMB, all_names, content_name
from proxy.artifacts.staging import WHOLE, Staging

T = TypeVar("T")
U = TypeVar("U")

FOLDERS = MappingProxyType(
    {
        ArtifactKind.IMAGE: "images",
        ArtifactKind.VIDEO: "videos",
        ArtifactKind.AUDIO: "audio",
        ArtifactKind.PLOT: "plots",
        ArtifactKind.TABLE: "tables",
        ArtifactKind.FILE: "files",
    }
)
STAGING = "staging"
LOCK = "lock"
MARK = "store.id"  # what tells these files from all others
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Content(Protocol):
    """A content that is open: it is read to its end, whoever removes it meanwhile."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, start: int, length: int) -> bytes:
        """So many bytes, fewer at the end."""

    def is_same(self, other: Self) -> bool:
        """Whether both are one file."""

    def close(self) -> None:
        """Nothing is read any more."""


class Folder(ABC):
    """Opened once; `is_alone`: no other process of this machine used the store when it was.

    is_local: finished files are on this machine's disk: to look at one costs next to nothing, and two may share bytes
    whole: a content of at most so many bytes is hashed whole before a byte of it is served; a larger one by blocks
    hands: threads that stage and read
    """

    is_local = True
    whole = WHOLE
    hands = 4

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_alone = False
        self._staging = -1
        self._lock = -1

    def open(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._staging = open_folder(self.root / STAGING)
        self._lock = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.is_alone = _has_alone(self._lock)

    def share(self) -> None:
        """Let others use the store, too: what only one may do has been done."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        for file in (self._staging, self._lock):
            if file >= 0:
                os.close(file)
        self._staging, self._lock = -1, -1

    # On the way in

    def stage(self) -> Staging:
        name = secrets.token_hex(16)
        return Staging(os.open(name, NEW_FILE, 0o600, dir_fd=self._staging), name, self.whole)

    def staged(self, name: str) -> Path:
        """Where it is, for what finds its place outside of the folders of kinds."""
        return self.root / STAGING / name

    def discard(self, staged: str) -> None:
        """Forget what was staged."""
        unlink(staged, self._staging)

    def sweep_staging(self) -> int:
        """Remove what nobody finishes any more -> how many. Only for who is alone."""
        names = os.listdir(self._staging)
        for name in names:
            unlink(name, self._staging)
        return len(names)

    def free(self) -> int:
        """Bytes that this machine's disk has left for us."""
        room = os.fstatvfs(self._staging)
        return room.f_bavail * room.f_frsize

    # What is finished

    def keep(self, staged: Staging, sidecar: Sidecar, poster: bytes | None) -> None:
        """All of an artifact's files, for good when this returns."""
        self.publish(staged, sidecar.kind, content_name(sidecar))
        blocks = staged.blocks()
        if blocks is not None:
            self.write(sidecar.kind, sidecar.id + BLOCKS, blocks)
        if poster is not None:
            self.write(sidecar.kind, sidecar.id + THUMB, poster, lasting=False)
        self.note(sidecar)

    def note(self, sidecar: Sidecar) -> None:
        """The sidecar, for good; one that is there is replaced."""
        self.write(sidecar.kind, sidecar.id + META, sidecar.model_dump_json().encode())
        self.sync(sidecar.kind)

    def forget(self, sidecar: Sidecar) -> None:
        """Remove all of an artifact's files, as far as they are there."""
        meta, *rest = all_names(sidecar)
        self.remove(sidecar.kind, meta)
        self.sync(sidecar.kind)
        for name in rest:
            self.remove(sidecar.kind, name)

    @abstractmethod
    def publish(self, staged: Staging, kind: ArtifactKind, name: str) -> None:
        """Give what was staged, and is finished, its place. It is there for good after `sync`."""

    @abstractmethod
    def write(self, kind: ArtifactKind, name: str, data: bytes, *, lasting: bool = True) -> None:
        """A small file, whole or not at all; what is there by that name is replaced."""

    @abstractmethod
    def sync(self, kind: ArtifactKind) -> None:
        """The names of a folder outlast a power cut."""

    @abstractmethod
    def open_content(self, kind: ArtifactKind, name: str, stop: int | None = None) -> Content:
        """A file, for reading: no more than the bytes before `stop`."""

    @abstractmethod
    def size(self, kind: ArtifactKind, name: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def read(self, kind: ArtifactKind, name: str, limit: int) -> bytes:
        """A small file; of a larger one, `limit` bytes and one more."""

    @abstractmethod
    def remove(self, kind: ArtifactKind, name: str) -> None:
        """It need not be there."""

    @abstractmethod
    def names(self, kind: ArtifactKind) -> Iterator[str]:
        """Every file's."""

    @abstractmethod
    def share_bytes(self, kind: ArtifactKind, name: str, like: tuple[ArtifactKind, str]) -> None:
        """Let two names whose bytes are equal have them together."""

    @abstractmethod
    def mark(self) -> str | None:
        """What tells these files from all others, None: nothing yet."""

    @abstractmethod
    def set_mark(self, mark: str) -> None:
        """If they have none yet."""

    def may_sweep(self, kind: ArtifactKind, name: str) -> bool:
        """Whether what belongs to no artifact is left of a write that was killed, and is none that goes on."""
        return self.is_alone

    def each(self, work: Callable[[T], U], items: Iterable[T]) -> list[U]:
        """The work done for every item, in whatever way is fast here."""
        return list(map(work, items))


def open_folder(path: Path) -> int:
    path.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def unlink(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _has_alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return False
    return True
