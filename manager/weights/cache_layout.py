"""The hub's own cache layout, as far as the manager reads and writes it.

A folder for each repository; in it `blobs`, files named by their hashes, `snapshots/COMMIT`, links into them under the
files' own names, and `refs`, a commit for each name of a revision.
"""

import re
from pathlib import Path

from manager.weights.hashes import GIT, SHA256

BLOB_NAME = re.compile(r"([0-9a-f]{64})|([0-9a-f]{40})")


def repository_folder(repository: str) -> str:
    """The name of a repository's folder in the hub's cache."""
    return f"models--{repository.replace('/', '--')}"


def unfinished_mark(repository: Path, commit: str) -> Path:
    """The file that stands in a repository's folder of the cache while a fetch of that commit is not finished."""
    return repository / f"unfinished-{commit}"


def listing_key(repository: str, commit: str) -> str:
    """By what the hub's listing of a repository at a commit is kept."""
    return f"{repository_folder(repository)}+{commit.replace('/', '+')}"


def blob_hash(file: Path) -> str | None:
    """What the name of a file in the hub's cache says of its content; None where it is no link into the blobs."""
    blob = file.resolve()
    if blob.parent.name != "blobs" or not BLOB_NAME.fullmatch(blob.name):
        return None
    return (SHA256 if len(blob.name) == 64 else GIT) + blob.name
