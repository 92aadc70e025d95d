"""Keys as they are held: an id, and the hash of a secret that nobody can read back.

A key's text is `rh-<id>-<secret>`. The id finds it, the secret proves it.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from contract.keys import KeyLimits

PREFIX = b"rh-"
ID_BYTES = 8
SECRET_BYTES = 32  # 256 bits: nobody guesses it, however often they may try
LONGEST = 512  # of a text that is looked at


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `models` None: every model. `is_stored`: it is in the store, and not the key file's."""

    id: str
    digest: bytes
    name: str
    user: str | None
    admin: bool
    models: frozenset[str] | None
    limits: KeyLimits
    is_stored: bool = True

    def may_use(self, model: str) -> bool:
        """Whether the model, by its own name, is within the key's scope."""
        return self.models is None or model in self.models


def new_key() -> tuple[str, str]:
    """A fresh id and secret."""
    return secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)


def text_of(key_id: str, secret: str) -> str:
    """What a key's holder sends."""
    return f"{PREFIX.decode()}{key_id}-{secret}"


def split_key(text: bytes) -> tuple[bytes, bytes]:
    """What a caller sent -> an id and a secret; an id of b"" for what has not our form."""
    if text.startswith(PREFIX):
        key_id, dash, secret = text[len(PREFIX) :].partition(b"-")
        if dash:
            return key_id, secret
    return b"", text


def digest_of(secret: bytes) -> bytes:
    """The form in which a secret is kept. A slow hash would protect guessable secrets; these are not."""
    return sha256(secret).digest()
