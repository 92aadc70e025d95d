"""The store's folder, with what is finished in a bucket: PREFIX/images/art_….png, as it would be on the disk.

An object is there whole or not at all, and for good when the server has answered. Two stores may not share a prefix;
several processes on one machine that share a root may.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from contract.artifacts import ArtifactKind
from proxy.artifacts.bucket.content import BucketContent
from proxy.artifacts.bucket.line import Line, close_quietly
from proxy.artifacts.bucket.place import BucketPlace
from proxy.artifacts.bucket.sending import send_bytes, send_file
from proxy.artifacts.failures import BucketRefused
from proxy.artifacts.folder import FOLDERS, MARK, Folder
from proxy.artifacts.names import split_name
from proxy.artifacts.staging import BLOCK, Staging

T = TypeVar("T")
U = TypeVar("U")

MARK_LIMIT = 256
GRACE = 3600.0  # what is younger may be another machine's, and on its way: seconds

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class BucketFolder(Folder):
    """Errors are as in `Line`. A small content is one block, so that hardly a byte is fetched that nobody asked for."""

    is_local = False
    whole = BLOCK
    hands = 16

    def __init__(self, root: Path, place: BucketPlace, grace: float = GRACE) -> None:
        super().__init__(root)
        self._place = place
        self._prefix = place.prefix
        self._line = Line(place)
        self._grace = grace
        self._young: set[str] = set()

    def __str__(self) -> str:
        return f"{self._place} below '{self._prefix}'"

    def open(self) -> None:
        super().open()
        self._line.open()

    def share(self) -> None:
        super().share()
        self._young.clear()

    def close(self) -> None:
        self._line.close()
        super().close()

    def sweep_staging(self) -> int:
        return super().sweep_staging() + self._abort_uploads()

    def publish(self, staged: Staging, kind: ArtifactKind, name: str) -> None:
        with self.staged(staged.name).open("rb") as file:
            send_file(self._line, self._key(kind, name), file, staged)
        self.discard(staged.name)

    def write(self, kind: ArtifactKind, name: str, data: bytes, *, lasting: bool = True) -> None:
        send_bytes(self._line, self._key(kind, name), data)

    def sync(self, kind: ArtifactKind) -> None:
        """The server answers when it is so."""

    def open_content(self, kind: ArtifactKind, name: str, stop: int | None = None) -> BucketContent:
        return BucketContent(self._line, self._key(kind, name), stop)

    def size(self, kind: ArtifactKind, name: str) -> int:
        return BucketContent(self._line, self._key(kind, name), None).size

    def read(self, kind: ArtifactKind, name: str, limit: int) -> bytes:
        return self._read(self._key(kind, name), limit)

    def remove(self, kind: ArtifactKind, name: str) -> None:
        self._line.ask("delete_object", Key=self._key(kind, name))

    def names(self, kind: ArtifactKind) -> Iterator[str]:
        start = self._key(kind, "")
        marks = {"NextContinuationToken": "ContinuationToken"}
        for page in self._line.pages("list_objects_v2", marks, Prefix=start, Delimiter="/"):
            for listed in page.get("Contents", ()):
                if _age(listed["LastModified"], page) < self._grace:
                    self._young.add(listed["Key"])
                yield listed["Key"].removeprefix(start)

    def share_bytes(self, kind: ArtifactKind, name: str, like: tuple[ArtifactKind, str]) -> None:
        """A bucket has no two names for the same bytes: both have theirs."""

    def mark(self) -> str | None:
        try:
            return self._read(self._prefix + MARK, MARK_LIMIT).decode("ascii").strip()
        except FileNotFoundError:
            return None

    def set_mark(self, mark: str) -> None:
        """Of two that begin at once the last one's stands: the other's start is refused, and tried again."""
        send_bytes(self._line, self._prefix + MARK, mark.encode() + b"\n")

    def may_sweep(self, kind: ArtifactKind, name: str) -> bool:
        return self.is_alone and self._key(kind, name) not in self._young

    def each(self, work: Callable[[T], U], items: Iterable[T]) -> list[U]:
        with ThreadPoolExecutor(self.hands, thread_name_prefix="artifacts-bucket") as pool:
            return list(pool.map(work, items))

    def _read(self, key: str, limit: int) -> bytes:
        body = self._line.fetch(key, 0, limit + 1)
        try:
            return self._line.read(body, limit + 1) if body is not None else b""
        finally:
            close_quietly(body)

    def _key(self, kind: ArtifactKind, name: str) -> str:
        return f"{self._prefix}{FOLDERS[kind]}/{name}"

    def _abort_uploads(self) -> int:
        """End what was being sent in parts when its sender was killed -> how many."""
        marks = {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}
        count = 0
        try:
            for page in self._line.pages("list_multipart_uploads", marks, Prefix=self._prefix):
                for each in page.get("Uploads", ()):
                    if self._is_ours(each["Key"]) and _age(each["Initiated"], page) >= self._grace:
                        self._line.ask("abort_multipart_upload", Key=each["Key"], UploadId=each["UploadId"])
                        count += 1
        except BucketRefused as error:
            _logger.info("uploads in parts that were killed are left to the bucket's own rules: %s", error)
        return count

    def _is_ours(self, key: str) -> bool:
        folder, _, name = key.removeprefix(self._prefix).partition("/")
        return key.startswith(self._prefix) and folder in FOLDERS.values() and split_name(name) is not None


def _age(since: datetime, answer: Mapping[str, Any]) -> float:
    """Seconds, by the server's own clock."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(date) if date is not None else datetime.now(UTC)
    return (now - since).total_seconds()
