"""Where the settings say that the store has its files.

The library that speaks to buckets is half as large as all of the proxy: it is loaded where one is named.
"""

import importlib
from pathlib import Path

from proxy.artifacts.bucket.place import BucketPlace
from proxy.artifacts.folder import Folder
from proxy.artifacts.local_folder import LocalFolder


def make_folder(root: Path, place: BucketPlace | None) -> Folder:
    """Not yet open. `place` None: all of it is below `root`."""
    if place is None:
        return LocalFolder(root)
    made: Folder = importlib.import_module("proxy.artifacts.bucket.folder").BucketFolder(root, place)
    return made
