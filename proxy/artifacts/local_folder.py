"""What is finished, on this machine's disk: images/ videos/ audio/ plots/ tables/ files/ below the root.

Nothing is opened but by a name of ours in one of these folders, and no link is followed.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from contract.artifacts import ArtifactKind
from proxy.artifacts.folder import FOLDERS, MARK, NEW_FILE, OLD_FILE, Folder, open_folder, unlink
from proxy.artifacts.staging import Staging, write_all


class LocalContent:
    """An open file."""

    def __init__(self, file: int) -> None:
        self._file = file

    @property
    def size(self) -> int:
        return os.fstat(self._file).st_size

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self._file, length, start)

    def is_same(self, other: "LocalContent") -> bool:
        return os.path.sameopenfile(self._file, other._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class LocalFolder(Folder):
    """The default: files that are written, synced, and named when they are whole."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._folders: dict[ArtifactKind, int] = {}

    def __str__(self) -> str:
        return str(self.root)

    def open(self) -> None:
        super().open()
        for kind, name in FOLDERS.items():
            self._folders[kind] = open_folder(self.root / name)

    def close(self) -> None:
        for file in self._folders.values():
            os.close(file)
        self._folders = {}
        super().close()

    def publish(self, staged: Staging, kind: ArtifactKind, name: str) -> None:
        self._place(staged.name, kind, name)

    def write(self, kind: ArtifactKind, name: str, data: bytes, *, lasting: bool = True) -> None:
        staged = secrets.token_hex(16)
        file = os.open(staged, NEW_FILE, 0o600, dir_fd=self._staging)
        try:
            try:
                write_all(file, data)
                if lasting:
                    os.fsync(file)
            finally:
                os.close(file)
            self._place(staged, kind, name)
        except OSError:
            self.discard(staged)
            raise

    def sync(self, kind: ArtifactKind) -> None:
        os.fsync(self._folders[kind])

    def open_content(self, kind: ArtifactKind, name: str, stop: int | None = None) -> LocalContent:
        return LocalContent(self._open(kind, name))

    def size(self, kind: ArtifactKind, name: str) -> int:
        file = self._open(kind, name)
        try:
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def read(self, kind: ArtifactKind, name: str, limit: int) -> bytes:
        file = self._open(kind, name)
        try:
            return os.read(file, limit + 1)
        finally:
            os.close(file)

    def remove(self, kind: ArtifactKind, name: str) -> None:
        unlink(name, self._folders[kind])

    def names(self, kind: ArtifactKind) -> Iterator[str]:
        with os.scandir(self._folders[kind]) as entries:
            for entry in entries:
                yield entry.name

    def share_bytes(self, kind: ArtifactKind, name: str, like: tuple[ArtifactKind, str]) -> None:
        staged = secrets.token_hex(16)
        os.link(like[1], staged, src_dir_fd=self._folders[like[0]], dst_dir_fd=self._staging, follow_symlinks=False)
        try:
            self._place(staged, kind, name)
        finally:
            self.discard(staged)  # a rename onto another name of the same bytes does nothing

    def mark(self) -> str | None:
        with suppress(FileNotFoundError):
            return (self.root / MARK).read_text(encoding="ascii").strip()
        return None

    def set_mark(self, mark: str) -> None:
        """Written whole and then named: of two that begin at once, both read the one that came first."""
        draft = self.root / f"{MARK}.{secrets.token_hex(8)}"
        file = os.open(draft, NEW_FILE, 0o600)
        try:
            write_all(file, mark.encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        with suppress(FileExistsError):
            os.link(draft, self.root / MARK)
        draft.unlink()

    def _place(self, staged: str, kind: ArtifactKind, name: str) -> None:
        os.rename(staged, name, src_dir_fd=self._staging, dst_dir_fd=self._folders[kind])

    def _open(self, kind: ArtifactKind, name: str) -> int:
        """A descriptor. What is no plain file, a link above all, is no file of ours: FileNotFoundError."""
        try:
            file = os.open(name, OLD_FILE, dir_fd=self._folders[kind])
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileNotFoundError(name) from error
            raise
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError(name)
        return file
