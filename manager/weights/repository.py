"""What a repository on the hub has at one commit, and what of it is fetched."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, get_token, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from manager.specification import EngineError
from manager.weights.cache_layout import repository_folder
from manager.weights.download import (
    PATIENCE,
    Cached,
    Patience,
    RemoteFile,
    error_of,
    passes,
    require_success,
    wait_before,
)
from manager.weights.fetch_errors import FetchError
from manager.weights.hashes import GIT, SHA256
from manager.weights.manifest import Listed, Listing
from manager.weights.pipelines import INDEX, PipelineError, components_of, files_to_fetch, model_files
from manager.weights.safety import configurations_of, refuse_code

COMMIT = re.compile(r"[0-9a-f]{40}")
TOKEN = re.compile(r"[\x21-\x7e]+")
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)

T = TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """What is to be fetched, and where to. `half`: weights in fp16 are enough, see `manager.pipelines`."""

    repository: str
    revision: str
    cache: Path
    manifests: Path
    half: bool = False
    patience: Patience = PATIENCE

    @property
    def folder(self) -> Path:
        """The repository's, in the cache."""
        return self.cache / repository_folder(self.repository)


@dataclass(frozen=True)
class Offer:
    """What the hub has, and what of it is fetched."""

    commit: str
    listing: Listing
    files: tuple[RemoteFile, ...]
    place: Cached

    @property
    def total(self) -> int:
        """Bytes of all that is fetched."""
        return sum(file.size for file in self.files)

    @property
    def here(self) -> int:
        """Bytes of it that are in the cache already, of whole files and of those under way."""
        return sum(self.place.bytes_here(file) for file in self.files)


def connect() -> httpx2.Client:
    """To the hub, with the token where there is one; a redirect to another host does not get it. Raises FetchError."""
    token = get_token()
    if token is not None and not TOKEN.fullmatch(token):  # an error of the client's would show it
        raise FetchError("weights_gated", "HF_TOKEN has characters that no token has: set it anew")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(headers={**headers, "accept-encoding": "identity"}, timeout=TIMEOUT, follow_redirects=True)


def offered(wish: Wish, client: httpx2.Client) -> Offer:
    """Asks the hub. Raises FetchError, and what the hub's client raises."""
    ask = HfApi().model_info
    info = patiently(wish.patience, lambda: ask(wish.repository, revision=wish.revision, files_metadata=True))
    commit = _commit(wish, info.sha)
    listing = Listing(files={file.rfilename: _listed(wish, file) for file in info.siblings or []})

    def remote(name: str) -> RemoteFile:
        url = hf_hub_url(wish.repository, name, revision=commit)
        return RemoteFile(name, url, listing.files[name].size, listing.files[name].hash)

    try:
        names = _wanted(wish, listing, lambda: _read(wish, client, remote(INDEX)))
    except PipelineError as error:
        raise FetchError("weights_refused", f"{wish.repository}: {error}") from error
    if not any(name.endswith(".safetensors") for name in names):
        raise FetchError("weights_refused", f"{wish.repository} has no safetensors: choose a repository that has")
    return Offer(commit, listing, tuple(remote(name) for name in names), Cached(wish.folder, commit))


def refuse_code_of(wish: Wish, offer: Offer, client: httpx2.Client) -> None:
    """Before the weights are fetched. Raises FetchError."""
    by_name = {file.name: file for file in offer.files}
    for name in configurations_of(tuple(by_name)):
        try:
            refuse_code(wish.repository, name, _read(wish, client, by_name[name]))
        except EngineError as error:
            raise FetchError(error.failure.code, error.failure.reason) from error


def _commit(wish: Wish, told: str | None) -> str:
    """Raises FetchError for what could not be a folder's name."""
    if told is None or not COMMIT.fullmatch(told) or ".." in PurePosixPath(wish.revision).parts:
        raise FetchError("weights_refused", f"the hub names no commit of {wish.repository} at {wish.revision}")
    return told


def _listed(wish: Wish, file: RepoSibling) -> Listed:
    """Raises FetchError for a name that leads elsewhere, and without a hash: nobody could say what has arrived."""
    name = PurePosixPath(file.rfilename)
    if name.is_absolute() or ".." in name.parts or "\\" in file.rfilename:
        raise FetchError("weights_refused", f"{wish.repository} has a file that would lie elsewhere: {file.rfilename}")
    if file.lfs is not None:
        return Listed(size=file.lfs.size, hash=SHA256 + file.lfs.sha256)
    if file.blob_id is None or file.size is None:
        reason = f"the hub tells no hash of {file.rfilename} of {wish.repository}: use one that does (HF_ENDPOINT)"
        raise FetchError("weights_refused", reason)
    return Listed(size=file.size, hash=GIT + file.blob_id)


def _wanted(wish: Wish, listing: Listing, index: Callable[[], bytes]) -> tuple[str, ...]:
    """Names of what is fetched. Raises PipelineError."""
    if INDEX not in listing.files:
        return model_files(listing.files)
    return files_to_fetch(listing.files, components_of(index()), half=wish.half)


def _read(wish: Wish, client: httpx2.Client, file: RemoteFile) -> bytes:
    """A small file's content. The cache is not touched: nothing of it is wanted yet."""

    def read() -> bytes:
        response = client.get(file.url)
        require_success(response)
        return response.content

    return patiently(wish.patience, read)


def patiently(patience: Patience, call: Callable[[], T]) -> T:
    """What a call gives that may fail for a moment."""
    retrying = Retrying(
        retry=retry_if_exception(passes),
        wait=lambda state: wait_before(error_of(state), patience.first_wait * 2 ** (state.attempt_number - 1)),
        stop=stop_after_attempt(patience.tries),
        reraise=True,
    )
    return retrying(call)
