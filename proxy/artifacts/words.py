"""Text -> the words by which it is found: the same of what is kept and of what is asked for, whatever keeps the index.

The case of letters does not count, nor do marks on them, nor ways to write the same: é is e, and ﬁ is fi.
"""

import re
import unicodedata
from hashlib import sha256

from contract.artifacts import Sidecar

TEXT_LIMIT = 8 * 2**10  # characters of a prompt that can be found
ASKED_MOST = 16  # words of a search
LONGEST = 255  # characters of a word that count

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """In their order: letters and digits alone, so that none of them means anything to an index."""
    return [word[:LONGEST] for word in _WORD.findall(text.lower() if text.isascii() else _plain(text))]


def words_kept(sidecar: Sidecar) -> list[str]:
    """What an artifact is found by."""
    return words_of("\n".join(filter(None, (sidecar.prompt, sidecar.filename)))[:TEXT_LIMIT])


def owner_word(owner: str) -> str:
    """A word that stands for an owner: what is searched is one owner's, and not all, sorted out afterwards."""
    return "o" + sha256(owner.encode()).hexdigest()[:32]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(each for each in folded if not unicodedata.category(each).startswith("M"))
