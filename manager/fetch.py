"""`python -m manager.fetch REPOSITORY REVISION CACHE`: weights from the hub into the hub's own cache layout.

A program of its own: it can be ended at any moment, it goes on where it stopped, and what the hub's client needs of
memory is gone with it. It prints a JSON object a line: `{"bytes", "total"}` while it fetches, `{"error", "reason"}`
where it fails. Only safetensors and what describes them are fetched: no code, no pickles.
"""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoSibling

from contract.sizes import show_bytes

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


def wanted_files(repository: str, revision: str) -> list[RepoSibling]:
    """What is fetched of a repository, with sizes. Raises FetchError."""
    try:
        listed = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings or []
    except GatedRepoError as error:
        reason = f"{repository} asks for an account: accept its terms on the hub, then set HF_TOKEN"
        raise FetchError("weights_gated", reason) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        reason = f"the hub has no {repository} at {revision}, or it is private: check `source`, or set HF_TOKEN"
        raise FetchError("weights_missing", reason) from error
    files = [file for file in listed if any(fnmatch(file.rfilename, pattern) for pattern in WANTED)]
    if not any(file.rfilename.endswith(".safetensors") for file in files):
        raise FetchError("weights_refused", f"{repository} has no safetensors: choose a repository that has")
    return files


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
    """Raises FetchError. What was fetched before it fails is kept for the next time."""
    blobs = cache / f"models--{repository.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    total = sum(file.size or 0 for file in wanted_files(repository, revision))
    tell(bytes=min(total, fetched_bytes(blobs)), total=total)
    require_space(cache, max(0, total - fetched_bytes(blobs)))
    with reporting(blobs, total):
        snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=list(WANTED))
    tell(bytes=total, total=total)


def main(repository: str, revision: str, cache: str) -> int:
    try:
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
