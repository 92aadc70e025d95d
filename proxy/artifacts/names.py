"""How the files of one artifact are called.

art_….png           the content
art_….meta.json     the sidecar, written last: without it there is no artifact
art_….blocks        digests of a large content's blocks
art_….thumb         the poster, which can be made again
"""

import re
import secrets

from contract.artifacts import Sidecar
from proxy.artifacts.kinds import suffix_of

META, BLOCKS, THUMB = ".meta.json", ".blocks", ".thumb"

_NAME = re.compile(r"(art_[0-9a-f]{32})(\.[a-z0-9.]{1,16})")


def new_id() -> str:
    """Random, so that nobody guesses another's."""
    return "art_" + secrets.token_bytes(16).hex()


def content_name(sidecar: Sidecar) -> str:
    return sidecar.id + suffix_of(sidecar.mime)


def all_names(sidecar: Sidecar) -> tuple[str, ...]:
    """The sidecar's first: without it the others are nothing."""
    return (sidecar.id + META, content_name(sidecar), sidecar.id + BLOCKS, sidecar.id + THUMB)


def split_name(name: str) -> tuple[str, str] | None:
    """The name of a file -> the artifact's id, and the rest; None for what is no file of ours."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2]) if found is not None else None


def is_content(rest: str) -> bool:
    return rest not in {META, BLOCKS, THUMB}
