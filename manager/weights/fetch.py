"""`python -m manager.weights.fetch REPOSITORY REVISION CACHE MANIFESTS [half]`: weights from the hub into its cache.

A program of its own: it can be ended at any moment, it goes on where it stopped, and what the hub's client needs of
memory is gone with it. It prints a JSON object a line: `{"bytes", "total"}` while it fetches, `{"error", "reason"}`
where it fails. Only safetensors and what describes them are fetched: no code, no pickles; of a Diffusers pipeline
only what its components load. The hub's listing, with the hashes of all files, is left in MANIFESTS.
"""

import errno
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import httpx2

from contract.sizes import show_bytes
from manager.weights.cache_layout import listing_key, unfinished_mark
from manager.weights.download import Download, Ended
from manager.weights.fetch_errors import KEPT, FetchError, explaining
from manager.weights.manifest import ManifestFolder
from manager.weights.repository import Offer, Wish, connect, offered, refuse_code_of

REPORT_SECONDS = 1.0
SPARE_BYTES = 2**30  # what a fetch must leave free on the disk
AT_ONCE = 4  # files
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def tell(**line: object) -> None:
    print(json.dumps(line), flush=True)


def fetch(wish: Wish) -> None:
    """Raises FetchError. What was fetched before it fails is kept for the next time, and marked as not finished."""
    with explaining(wish.repository, wish.revision), connect() as client:
        offer = offered(wish, client)
        refuse_code_of(wish, offer, client)
        (wish.folder / "blobs").mkdir(parents=True, exist_ok=True)
        tell(bytes=offer.here, total=offer.total)
        require_space(wish.cache, offer.total - offer.here)
        with explaining_a_full_disk(wish, offer), reporting(offer):
            bring(wish, offer, client)
        tell(bytes=offer.total, total=offer.total)


def require_space(folder: Path, missing: int) -> None:
    """Raises FetchError where the disk would be full before the fetch ends."""
    free = shutil.disk_usage(folder).free
    if missing and free < missing + SPARE_BYTES:
        reason = (
            f"{show_bytes(missing)} are to be fetched, {show_bytes(SPARE_BYTES)} stay free, and {show_bytes(free)} are "
            f"free in {folder}: make room for {show_bytes(missing + SPARE_BYTES - free)}"
        )
        raise FetchError("disk_full", reason)


def bring(wish: Wish, offer: Offer, client: httpx2.Client) -> None:
    """What is half here is never taken for the model: its listing and the mark are there before its first file."""
    mark = unfinished_mark(wish.folder, offer.commit)
    mark.touch()
    ManifestFolder(wish.manifests).keep_listing(listing_key(wish.repository, offer.commit), offer.listing)
    transfer(wish, offer, client)
    name_revision(wish, offer.commit)
    mark.unlink(missing_ok=True)


def transfer(wish: Wish, offer: Offer, client: httpx2.Client) -> None:
    """All files, some at once; the first that fails for good ends the others. Raises what it raised."""
    over = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        downloads = [Download(client, offer.place, file, over) for file in offer.files]
        running = [pool.submit(download.run, wish.patience) for download in downloads]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            over.set()
            pool.shutdown(cancel_futures=True)
        raise_first(running)


def raise_first(ended: list[Future[None]]) -> None:
    """Raises why a transfer failed: the failure, and not that others were ended for it."""
    errors = [future.exception() for future in ended if not future.cancelled()]
    first = next((error for error in errors if error is not None and not isinstance(error, Ended)), None)
    if first is not None:
        raise first


@contextmanager
def explaining_a_full_disk(wish: Wish, offer: Offer) -> Iterator[None]:
    """Raises FetchError where something else has filled the disk meanwhile."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        missing = show_bytes(offer.total - offer.here)
        reason = f"the disk of {wish.cache} is full, and {missing} of {wish.repository} are missing: make room; {KEPT}"
        raise FetchError("disk_full", reason) from error


def name_revision(wish: Wish, commit: str) -> None:
    """Which commit a branch or tag names, for all who read the cache; only once the files are here."""
    if wish.revision == commit:
        return
    reference = wish.folder / "refs" / wish.revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    fresh = reference.with_name(f".{reference.name}.fresh")
    fresh.write_text(commit)
    fresh.replace(reference)


@contextmanager
def reporting(offer: Offer) -> Iterator[None]:
    """Tells how far the fetch is, each second."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(REPORT_SECONDS):
            tell(bytes=offer.here, total=offer.total)

    teller = threading.Thread(target=report, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def main(repository: str, revision: str, cache: str, manifests: str, *words: str) -> int:
    try:
        fetch(Wish(repository, revision, Path(cache), Path(manifests), half="half" in words))
    except FetchError as error:
        tell(error=error.code, reason=error.reason)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
