"""What a model's files are known to hold: their bytes, their hashes, and when that was last seen to be so.

One manifest for each folder (and commit) of weights, in the manager's own folder, since it may not write where weights
are. A file is read and hashed again only when its stamp is no longer the one under which it was verified: the second
start of a model costs some stats. Beside it, of a repository, the hub's listing: the hashes that its files must have.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manager.weights.hashes import SHA256, ChangedWhileRead, Report, Stamp, holds, pieces_of, stamp_of

log = logging.getLogger(__name__)

REPORTS = 100  # how often a verification tells how far it is


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Stored):
    """One file as it was last verified."""

    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    stamp: Stamp


class Manifest(_Stored):
    """The files of a model by their names, which are relative to its folder and have slashes."""

    files: Mapping[str, FileRecord]

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits: the same for the same files, wherever they lie."""
        rows = [[name, record.stamp.size, record.hash] for name, record in sorted(self.files.items())]
        return SHA256 + hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


class Listed(_Stored):
    """One file of a repository: what the hub says of it. `hash` begins with `sha256:` or `git:`."""

    size: int = Field(ge=0)
    hash: str = Field(pattern=r"^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$")


class Listing(_Stored):
    """All files of a repository at one commit."""

    files: Mapping[str, Listed]


Document = TypeVar("Document", Manifest, Listing)


class ManifestFolder:
    """The manifests and listings that are kept. A broken one counts as none, and the log says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self, key: str) -> Manifest | None:
        return self._read(self._file(key), Manifest)

    def listing(self, key: str) -> Listing | None:
        return self._read(self._listing(key), Listing)

    def keep(self, key: str, manifest: Manifest) -> None:
        """Never fails: what cannot be written is verified again the next time."""
        try:
            _write(self._file(key), manifest)
        except OSError as error:
            log.warning("the manifest of %s cannot be kept, its files will be read again: %s", key, error)

    def keep_listing(self, key: str, listing: Listing) -> None:
        """Raises OSError."""
        _write(self._listing(key), listing)

    def where(self, key: str) -> Path:
        """The file of a manifest, for people."""
        return self._file(key)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _listing(self, key: str) -> Path:
        return self.folder / f"{key}.hub.json"

    def _read(self, file: Path, kind: type[Document]) -> Document | None:
        try:
            return kind.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("%s cannot be read and is begun anew: %s", file, error)
            return None


def _write(file: Path, document: BaseModel) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    half.write_text(document.model_dump_json(), encoding="utf-8")
    half.replace(file)


def measure(folder: Path, names: Iterable[str], known: Manifest | None, report: Report) -> Manifest:
    """The manifest of files as they are now; only those whose stamp is not the known one are read.

    `report` gets the bytes read and those to be read in all. Raises ChangedWhileRead, and OSError for what is not
    there.
    """
    stamps = {name: stamp_of(folder / name) for name in names}
    before = known.files if known else {}
    same = {name: before[name] for name, stamp in stamps.items() if name in before and before[name].stamp == stamp}
    fresh = {name: stamp for name, stamp in stamps.items() if name not in same}
    return Manifest(files={**same, **dict(_hashed(folder, fresh, report))})


def _hashed(folder: Path, stamps: Mapping[str, Stamp], report: Report) -> Iterator[tuple[str, FileRecord]]:
    total, done, told = sum(stamp.size for stamp in stamps.values()), 0, 0
    if stamps:
        report(0, total)
    for name, stamp in stamps.items():
        digest = hashlib.sha256()
        for piece in pieces_of(folder / name):
            digest.update(piece)
            done += len(piece)
            if done >= min(total, told + total // REPORTS):
                report(min(done, total), total)
                told = done
        if stamp_of(folder / name) != stamp:
            raise ChangedWhileRead(name)
        yield name, FileRecord(hash=SHA256 + digest.hexdigest(), stamp=stamp)


@dataclass(frozen=True)
class Difference:
    """The first file that is not what it must be; `what` is `damaged`, `changed`, `new` or `gone`."""

    name: str
    what: str


def difference(
    folder: Path, known: Manifest | None, found: Manifest, expected: Callable[[str], str | None], *, trusting: bool
) -> Difference | None:
    """How files differ from what they must hold, or None. Raises OSError.

    `expected` gives the hub's hash of a file, which rules; for others it is the known one. A file that neither knows
    is refused, unless `trusting`, as it is done at the first sight of a folder.
    """
    before = known.files if known else {}
    for name, record in found.files.items():
        told = expected(name)
        if before.get(name) == record:
            continue
        if told is not None:
            if not holds(folder / name, told, record.hash):
                return Difference(name, "damaged")
        elif name in before and before[name].hash != record.hash:
            return Difference(name, "changed")
        elif name not in before and not trusting:
            return Difference(name, "new")
    return next((Difference(name, "gone") for name in before if name not in found.files), None)
