"""Where a model's weights are, and whether an engine may be given them.

Local models lie under the models folder, hub repositories in the hub's own cache layout. Weights are safetensors,
and a model that brings code is refused. What they hold is verified before a start: by the hub's hashes for what comes
from there, by what was there first for a local folder, and by an entry's `digest` for all.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from contract.catalogue import ModelEntry
from manager.engines.kind import Weights
from manager.specification import EngineError, Inside
from manager.weights.cache_layout import blob_hash, listing_key, repository_folder, unfinished_mark
from manager.weights.contents import files_read, names_in, wants_half, weights_size
from manager.weights.hashes import ChangedWhileRead, Report
from manager.weights.manifest import Difference, Manifest, ManifestFolder, difference, measure
from manager.weights.pipelines import INDEX, PipelineError
from manager.weights.safety import refuse_unsafe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsFolder:
    """A folder with a model in it: where it is here, where the engine will see it, and what its manifest is kept by."""

    here: Path
    inside: str
    key: str


class WeightsStore:
    """The models folder and the hub's cache, as far as the manager reads them. `manifests` is the manager's own."""

    def __init__(self, models_dir: Path, hub_cache: Path, inside: Inside, manifests: Path) -> None:
        self.models_dir = models_dir
        self.hub_cache = hub_cache
        self.inside = inside
        self.manifests = ManifestFolder(manifests)

    def find(self, entry: ModelEntry) -> WeightsFolder | None:
        """The folder of an entry's weights, or None while they are not here, or not all of them."""
        if entry.source is None or ".." in PurePath(entry.revision or "").parts:
            return None
        folder = self._local(entry.source) if entry.is_local else self._cached(entry.source, entry.revision or "main")
        if not folder.here.is_dir() or not (entry.is_local or self._is_complete(folder, entry)):
            return None
        return folder

    def size_of(self, entry: ModelEntry) -> int:
        """Bytes of memory that the weights take once loaded; 0 while they are not here, or where they are refused."""
        folder = self.find(entry)
        try:
            return weights_size(folder.here, entry) if folder else 0
        except (PipelineError, OSError):  # told when the model is to be started
            return 0

    def verified(self, entry: ModelEntry) -> Weights:
        """The entry's weights, safe to be given to an engine. Raises EngineError with cause and fix.

        Cheap: files are looked at and not read. `verify` is what reads them, before a start.
        """
        folder = self._safe(entry)
        known = self.manifests.manifest(manifest_key(folder, entry))
        if known is not None:
            self._refuse_other_sizes(entry, folder, known)
            self._refuse_other_digest(entry, known)
        return Weights(folder.inside, self.size_of(entry))

    def verify(self, entry: ModelEntry, report: Report) -> None:
        """Reads what was changed since it was last verified, and returns if it is what it must be. Blocks on files.

        `report` gets the bytes read and those to be read in all, and may raise to end it. Raises EngineError.
        """
        folder = self._safe(entry)
        known = self.manifests.manifest(manifest_key(folder, entry))
        try:
            found = measure(folder.here, files_read(folder.here, names_in(folder.here), entry), known, report)
            if entry.digest is None:
                self._refuse_changed(entry, folder, known, found)
        except ChangedWhileRead as error:
            reason = f"{error} of {entry.source} was written to while it was verified: load the model when it is whole"
            raise EngineError("weights_changed", reason) from error
        except OSError as error:
            reason = f"the weights of {entry.source} cannot be read: {error}; let the manager read them"
            raise EngineError("weights_missing", reason) from error
        self._refuse_other_digest(entry, found)
        if found != known:
            log.info("the weights of %s are verified: their digest is %s", entry.source, found.digest)
            self.manifests.keep(manifest_key(folder, entry), found)

    def _safe(self, entry: ModelEntry) -> WeightsFolder:
        folder = self.find(entry)
        if folder is None:
            raise EngineError("weights_missing", f"the weights of {entry.source} are not here; {self._advice(entry)}")
        refuse_unsafe(folder.here, names_in(folder.here))
        return folder

    def _advice(self, entry: ModelEntry) -> str:
        if entry.is_local:
            return f"put them into {self.models_dir / str(entry.source)}, or run ./setup.sh"
        return "load the model again to have them fetched (HF_HUB_OFFLINE forbids it), or put them into the hub cache"

    def _local(self, source: str) -> WeightsFolder:
        name = source.removeprefix("./")
        return WeightsFolder(self.models_dir / name, f"{self.inside.models}/{name}", f"local+{name.replace('/', '+')}")

    def _cached(self, source: str, revision: str) -> WeightsFolder:
        repository = self.hub_cache / repository_folder(source)
        reference = repository / "refs" / revision
        commit = reference.read_text().strip() if reference.is_file() else revision
        inside = f"{self.inside.hub}/{repository.name}/snapshots/{commit}"
        return WeightsFolder(repository / "snapshots" / commit, inside, listing_key(source, commit))

    def _is_complete(self, folder: WeightsFolder, entry: ModelEntry) -> bool:
        """Whether all that the entry needs of a repository is in the cache."""
        repository = self.hub_cache / repository_folder(str(entry.source))
        if unfinished_mark(repository, folder.here.name).exists():
            return False
        return all((folder.here / name).is_file() for name in self._needed(folder, entry))

    def _needed(self, folder: WeightsFolder, entry: ModelEntry) -> Iterable[str]:
        """By the hub's listing, where the manager fetched it; otherwise what was there the last time, or is now."""
        listing = self.manifests.listing(folder.key)
        if listing is not None:
            try:
                return files_read(folder.here, tuple(listing.files), entry)
            except (PipelineError, FileNotFoundError):
                return (INDEX,)
        known = self.manifests.manifest(manifest_key(folder, entry))
        return known.files if known else names_in(folder.here)

    def _refuse_changed(
        self, entry: ModelEntry, folder: WeightsFolder, known: Manifest | None, found: Manifest
    ) -> None:
        listing = None if entry.is_local else self.manifests.listing(folder.key)

        def expected(name: str) -> str | None:
            if entry.is_local:
                return None
            return listing.files[name].hash if listing and name in listing.files else blob_hash(folder.here / name)

        differs = difference(folder.here, known, found, expected, trusting=known is None and listing is None)
        if differs is not None:
            raise EngineError("weights_changed", self._what_changed(entry, folder, differs, found))

    def _what_changed(self, entry: ModelEntry, folder: WeightsFolder, differs: Difference, found: Manifest) -> str:
        if differs.what == "damaged":
            file = (folder.here / differs.name).resolve()
            return (
                f"{differs.name} of {entry.source} is damaged: it has not the hash that the hub gives. Delete "
                f"{_below(file, self.hub_cache)} in the hub cache and load the model again: it is fetched anew"
            )
        was = "is new since the first start" if differs.what == "new" else f"is {differs.what}"
        return (
            f"{differs.name} of {entry.source} {was}, and weights may not change unseen: put back what was there, or, "
            f'where it is meant, write "digest": "{found.digest}" into the entry or delete '
            f"{self.manifests.where(manifest_key(folder, entry))}"
        )

    def _refuse_other_sizes(self, entry: ModelEntry, folder: WeightsFolder, known: Manifest) -> None:
        """What a look at the files tells of a change. Stamps alone may differ: the same file was put there again."""
        names = set(files_read(folder.here, names_in(folder.here), entry))
        news = names - known.files.keys() if entry.is_local else set()
        other = [
            name
            for name, record in known.files.items()
            if name in names and _size(folder.here / name) != record.stamp.size
        ]
        wrong = next(iter((*sorted(news), *sorted(known.files.keys() - names), *other)), None)
        if wrong is not None:
            raise EngineError("weights_changed", f"{wrong} of {entry.source} is not what was verified: start it anew")

    def _refuse_other_digest(self, entry: ModelEntry, known: Manifest) -> None:
        if entry.digest not in {None, known.digest}:
            reason = (
                f"the weights of {entry.source} have the digest {known.digest}, and its entry in models.json wants "
                f"{entry.digest}: put the wanted ones there, or correct the entry"
            )
            raise EngineError("weights_mismatch", reason)


def manifest_key(folder: WeightsFolder, entry: ModelEntry) -> str:
    """By what the manifest of the files that an entry reads is kept."""
    return f"{folder.key}+float16" if wants_half(entry) else folder.key


def _below(file: Path, folder: Path) -> Path:
    whole = folder.resolve()
    return file.relative_to(whole) if file.is_relative_to(whole) else file


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1
