"""`python -m manager.fetch REPOSITORY REVISION CACHE`: weights from the hub into the hub's own cache layout.

A program of its own: it can be ended at any moment, it goes on where it stopped, and what the hub's client needs of
memory is gone with it. It prints a JSON object a line: `{"bytes", "total"}` while it fetches, `{"error", "reason"}`
where it fails. Only safetensors and what describes them are fetched: no code, no pickles; of a Diffusers pipeline
only what its components load.
"""

import json
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from contract.sizes import show_bytes
from manager.pipelines import INDEX, PipelineError, components_of, files_to_fetch
from manager.weights import unfinished_mark

WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
REPORT_SECONDS = 1.0
SPARE_BYTES = 2**30  # what a fetch must leave free on the disk


class FetchError(Exception):
    """Raised where the weights cannot be had: a code, and a reason with the next step."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def tell(**line: object) -> None:
    print(json.dumps(line), flush=True)


@dataclass(frozen=True)
class Listing:
    """What is fetched of a repository at one commit: names and bytes of its files."""

    commit: str
    sizes: Mapping[str, int]


@contextmanager
def explaining(repository: str, revision: str) -> Iterator[None]:
    """Raises FetchError, with the next step, for what the hub refuses."""
    try:
        yield
    except GatedRepoError as error:
        reason = f"{repository} asks for an account: accept its terms on the hub, then set HF_TOKEN"
        raise FetchError("weights_gated", reason) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        reason = f"the hub has no {repository} at {revision}, or it is private: check `source`, or set HF_TOKEN"
        raise FetchError("weights_missing", reason) from error


def wanted_files(repository: str, revision: str) -> Listing:
    """What is fetched of a repository. Raises FetchError."""
    info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    try:
        names = files_to_fetch(sizes, pipeline_of(repository, revision)) if INDEX in sizes else model_files(sizes)
    except PipelineError as error:
        raise FetchError("weights_refused", f"{repository}: {error}") from error
    if not any(name.endswith(".safetensors") for name in names):
        raise FetchError("weights_refused", f"{repository} has no safetensors: choose a repository that has")
    return Listing(info.sha or revision, {name: sizes[name] for name in names})


def model_files(names: Iterable[str]) -> tuple[str, ...]:
    """What is fetched of a repository that is no pipeline."""
    return tuple(name for name in names if any(fnmatch(name, pattern) for pattern in WANTED))


def pipeline_of(repository: str, revision: str) -> tuple[str, ...]:
    """The components that the repository's index names. The cache is not touched: nothing of it is wanted yet."""
    with TemporaryDirectory() as folder:
        index = hf_hub_download(repository, INDEX, revision=revision, local_dir=folder)
        return components_of(Path(index).read_bytes())


def require_space(folder: Path, missing: int) -> None:
    """Raises FetchError where the disk would be full before the fetch ends."""
    free = shutil.disk_usage(folder).free
    if free < missing + SPARE_BYTES:
        reason = f"{show_bytes(missing)} are to be fetched and {show_bytes(free)} are free in {folder}: make room"
        raise FetchError("disk_full", reason)


def fetched_bytes(blobs: Path) -> int:
    """Bytes that are here already, of whole files and of files under way."""
    return sum(file.stat().st_size for file in blobs.glob("*") if file.is_file())


@contextmanager
def reporting(blobs: Path, total: int) -> Iterator[None]:
    """Tells how far the fetch is, each second."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(REPORT_SECONDS):
            tell(bytes=min(total, fetched_bytes(blobs)), total=total)

    teller = threading.Thread(target=report, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def fetch(repository: str, revision: str, cache: Path) -> None:
    """Raises FetchError. What was fetched before it fails is kept for the next time, and marked as not finished."""
    listing = wanted_files(repository, revision)
    folder = cache / f"models--{repository.replace('/', '--')}"
    blobs = folder / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    total = sum(listing.sizes.values())
    tell(bytes=min(total, fetched_bytes(blobs)), total=total)
    require_space(cache, max(0, total - fetched_bytes(blobs)))
    mark = unfinished_mark(folder, listing.commit)
    mark.touch()
    with reporting(blobs, total):
        patterns = [escape(name) for name in listing.sizes]
        snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=patterns)
    mark.unlink(missing_ok=True)
    tell(bytes=total, total=total)


def main(repository: str, revision: str, cache: str) -> int:
    try:
        with explaining(repository, revision):
            fetch(repository, revision, Path(cache))
    except FetchError as error:
        tell(error=error.code, reason=error.reason)
        return 1
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        tell(error="hub_unreachable", reason=f"{repository} could not be fetched: {error}; what is here is kept")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
