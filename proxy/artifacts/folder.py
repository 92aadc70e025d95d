"""The files of the store. Every call blocks; the errors are OSError.

    images/ videos/ audio/ plots/ tables/ files/
        art_….png           the content
        art_….meta.json     the sidecar, written last: without it there is no artifact
        art_….blocks        digests of a large content's blocks
        art_….thumb         the poster, which can be made again
    staging/                what is on its way in
    uploads/                what comes in parts: `upload_folder.py`
    lock                    shared by all who use the store; whoever has it alone may sweep

Nothing is opened but by a name of ours in one of these folders, and no link is followed.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from contract.artifacts import ArtifactKind
from proxy.artifacts.staging import Staging, write_all

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
META, BLOCKS, THUMB = ".meta.json", ".blocks", ".thumb"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Folder:
    """Opened once; `is_alone`: no other process used the store when it was."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_alone = False
        self._folders: dict[ArtifactKind, int] = {}
        self._staging = -1
        self._lock = -1

    def open(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind, name in FOLDERS.items():
            self._folders[kind] = _folder(self.root / name)
        self._staging = _folder(self.root / STAGING)
        self._lock = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.is_alone = _has_alone(self._lock)

    def share(self) -> None:
        """Let others use the store, too: what only one may do has been done."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        for file in (*self._folders.values(), self._staging, self._lock):
            if file >= 0:
                os.close(file)
        self._folders, self._staging, self._lock = {}, -1, -1

    # On the way in

    def stage(self) -> Staging:
        name = secrets.token_hex(16)
        return Staging(os.open(name, _NEW, 0o600, dir_fd=self._staging), name)

    def publish(self, staged: str, kind: ArtifactKind, name: str) -> None:
        """Give what was staged its place. It is there for good after `sync`."""
        os.rename(staged, name, src_dir_fd=self._staging, dst_dir_fd=self._folders[kind])

    def write(self, kind: ArtifactKind, name: str, data: bytes, *, lasting: bool = True) -> None:
        """A small file, whole or not at all; what is there by that name is replaced."""
        staged = secrets.token_hex(16)
        file = os.open(staged, _NEW, 0o600, dir_fd=self._staging)
        try:
            try:
                write_all(file, data)
                if lasting:
                    os.fsync(file)
            finally:
                os.close(file)
            self.publish(staged, kind, name)
        except OSError:
            self.discard(staged)
            raise

    def sync(self, kind: ArtifactKind) -> None:
        """The names of a folder are on the disk."""
        os.fsync(self._folders[kind])

    def staged(self, name: str) -> Path:
        """Where it is, for what finds its place outside of the folders of kinds."""
        return self.root / STAGING / name

    def discard(self, staged: str) -> None:
        """Forget what was staged."""
        _unlink(staged, self._staging)

    def sweep_staging(self) -> int:
        """Remove what nobody finishes any more -> how many. Only for who is alone."""
        names = os.listdir(self._staging)
        for name in names:
            _unlink(name, self._staging)
        return len(names)

    # What is there

    def open_file(self, kind: ArtifactKind, name: str) -> int:
        """A descriptor, for reading. Raises OSError for what is no plain file, too."""
        file = os.open(name, _OLD, dir_fd=self._folders[kind])
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError(name)
        return file

    def read(self, kind: ArtifactKind, name: str, limit: int) -> bytes:
        """A small file; of a larger one, `limit` bytes and one more."""
        file = self.open_file(kind, name)
        try:
            return os.read(file, limit + 1)
        finally:
            os.close(file)

    def remove(self, kind: ArtifactKind, name: str) -> None:
        """It need not be there."""
        _unlink(name, self._folders[kind])

    def names(self, kind: ArtifactKind) -> Iterator[str]:
        with os.scandir(self._folders[kind]) as entries:
            for entry in entries:
                yield entry.name

    def share_bytes(self, kind: ArtifactKind, name: str, like: tuple[ArtifactKind, str]) -> None:
        """Let two names whose bytes are equal have them together."""
        staged = secrets.token_hex(16)
        os.link(like[1], staged, src_dir_fd=self._folders[like[0]], dst_dir_fd=self._staging, follow_symlinks=False)
        try:
            self.publish(staged, kind, name)
        finally:
            self.discard(staged)  # a rename onto another name of the same bytes does nothing

    def free(self) -> int:
        """Bytes that the disk has left for us."""
        room = os.fstatvfs(self._staging)
        return room.f_bavail * room.f_frsize


def _folder(path: Path) -> int:
    path.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _has_alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return False
    return True


def _unlink(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
