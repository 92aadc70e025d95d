"""Large files that come in parts, until they are whole: a folder each, which outlives the process. Every call blocks.

uploads/upload_…/meta.json      what is to come
uploads/upload_…/part_…         what has come
"""

import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from proxy.artifacts.folder import Folder

UPLOADS = "uploads"
META = "meta.json"
META_LIMIT = 64 * 2**10
_UPLOAD = re.compile(r"upload_[0-9a-f]{32}")
_PART = re.compile(r"part_[0-9a-f]{32}")


class Upload(BaseModel):
    """One upload. Sizes are bytes, times seconds since 1970; `file`: the artifact that came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    owner: str
    size: int
    filename: str
    mime: str
    purpose: str
    lifetime: float | None
    created: float
    expires: float
    status: Literal["pending", "completed", "cancelled"] = "pending"
    file: str | None = None


class UploadFolder:
    """Errors are OSError; what is not there, or another owner's, is a LookupError."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def _root(self) -> Path:
        return self._folder.root / UPLOADS

    def write(self, upload: Upload) -> None:
        """Begin it, or note what became of it."""
        place = self._root / upload.id
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = place / "meta.draft"
        draft.write_text(upload.model_dump_json())
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(place / META)

    def read(self, owner: str, upload_id: str) -> Upload:
        if not _UPLOAD.fullmatch(upload_id):
            raise LookupError(upload_id)
        upload = self._meta(upload_id)
        if upload is None or upload.owner != owner:
            raise LookupError(upload_id)
        return upload

    def lock(self, upload_id: str) -> int | None:
        """A descriptor that keeps other processes from changing an upload until it is closed; None: another has one."""
        if not _UPLOAD.fullmatch(upload_id):
            raise LookupError(upload_id)
        file = os.open(self._root / upload_id, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def of(self, owner: str) -> list[Upload]:
        """An owner's, that are not over."""
        return [each for each in self._all() if each.owner == owner and each.status == "pending"]

    def expired(self, now: float) -> list[Upload]:
        return [each for each in self._all() if each.expires <= now]

    def take(self, upload: Upload, part_id: str, staged: str) -> None:
        """A part that has come."""
        os.rename(self._folder.staged(staged), self._root / upload.id / part_id)

    def parts(self, upload: Upload) -> dict[str, int]:
        """Each part and its size, oldest first."""
        found = [path for path in (self._root / upload.id).iterdir() if _PART.fullmatch(path.name)]
        return {path.name: path.stat().st_size for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)}

    def open_part(self, upload: Upload, part_id: str) -> int:
        """A descriptor. `part_id` is one of `parts`."""
        return os.open(self._root / upload.id / part_id, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def drop_parts(self, upload: Upload) -> None:
        for part_id in self.parts(upload):
            (self._root / upload.id / part_id).unlink(missing_ok=True)

    def remove(self, upload: Upload) -> None:
        shutil.rmtree(self._root / upload.id, ignore_errors=True)

    def _all(self) -> list[Upload]:
        if not self._root.is_dir():
            return []
        metas = (self._meta(path.name) for path in self._root.iterdir() if _UPLOAD.fullmatch(path.name))
        return [meta for meta in metas if meta is not None]

    def _meta(self, upload_id: str) -> Upload | None:
        try:
            return Upload.model_validate_json((self._root / upload_id / META).read_bytes()[:META_LIMIT])
        except (FileNotFoundError, ValidationError):
            return None
