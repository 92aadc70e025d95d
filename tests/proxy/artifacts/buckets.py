"""A bucket as a test has it: noted beside a store's root, so that every `shop` of that root has its files there."""

import json
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from proxy.artifacts.bucket.folder import BucketFolder
from proxy.artifacts.bucket.line import Line, close_quietly
from proxy.artifacts.bucket.place import BucketPlace, Credentials
from proxy.artifacts.folder import MARK

BUCKET = "kept"
OWNER = Credentials(SecretStr("key-of-the-owner"), SecretStr("secret-of-the-owner"))
READER = Credentials(SecretStr("key-of-a-reader"), SecretStr("secret-of-a-reader"))


class Bucket:
    """One prefix of a server's bucket, from aside. Names are as below a store's root: `images/art_….png`."""

    def __init__(self, url: str, prefix: str) -> None:
        self.place = BucketPlace(BUCKET, OWNER, url, prefix)
        self.line = _line_to(url)

    def names(self) -> set[str]:
        marks = {"NextContinuationToken": "ContinuationToken"}
        pages = self.line.pages("list_objects_v2", marks, Prefix=self.place.prefix)
        found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        names = {key.removeprefix(self.place.prefix) for key in found}
        return {name for name in names if name != MARK}

    def name(self, end: str) -> str:
        """The only one that ends so."""
        (found,) = (name for name in self.names() if name.endswith(end))
        return found

    def load(self, name: str) -> bytes:
        body = self.line.fetch(self.place.prefix + name, 0, None)
        assert body is not None
        try:
            return body.read()
        finally:
            close_quietly(body)

    def save(self, name: str, data: bytes) -> None:
        self.line.ask("put_object", Key=self.place.prefix + name, Body=data)

    def drop(self, name: str) -> None:
        self.line.ask("delete_object", Key=self.place.prefix + name)

    def flip(self, name: str, at: int) -> None:
        data = bytearray(self.load(name))
        data[at] ^= 1
        self.save(name, bytes(data))

    def parts_under_way(self) -> int:
        """Uploads in parts that are neither complete nor called off."""
        listed = self.line.ask("list_multipart_uploads", Prefix=self.place.prefix)
        return len(listed.get("Uploads", ()))

    def note(self, root: Path) -> None:
        """From now on the files of this store are here."""
        _note_of(root).write_text(json.dumps({"url": self.place.endpoint, "prefix": self.place.prefix}))


@cache
def _line_to(url: str) -> Line:
    """One for all: to make one takes a quarter of a second."""
    line = Line(BucketPlace(BUCKET, OWNER, url))
    line.open()
    return line


def bucket_of(root: Path) -> Bucket | None:
    """Where the files of a store are, None: on the disk."""
    note = _note_of(root)
    return Bucket(**json.loads(note.read_text())) if note.exists() else None


def folder_of(root: Path) -> BucketFolder | None:
    """What a store is given; what was killed a moment ago is swept, too."""
    bucket = bucket_of(root)
    return BucketFolder(root, bucket.place, grace=0.0) if bucket is not None else None


def names_in_bucket(root: Path) -> set[str]:
    """The names of all files that a store has elsewhere."""
    bucket = bucket_of(root)
    return {name.rpartition("/")[2] for name in bucket.names()} if bucket is not None else set()


def _note_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.bucket")
