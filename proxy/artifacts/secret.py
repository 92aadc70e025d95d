"""The secret with which addresses are signed: made once, for the store's owner alone. Blocks."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from proxy.access.signed import SECRET_BYTES
from proxy.artifacts.staging import write_all

FILE = "signing.key"


def lasting_secret(root: Path) -> bytes:
    """The store's secret; every process that uses the store has the same. Raises OSError."""
    path = root / FILE
    with suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) == SECRET_BYTES:
            return secret
    return _make(path)


def _make(path: Path) -> bytes:
    """Written whole beside it and then named: of two that begin at once, both read the one that came first."""
    secret = secrets.token_bytes(SECRET_BYTES)
    draft = path.with_name(f"{FILE}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(file, secret)
        os.fsync(file)
    finally:
        os.close(file)
    try:
        if path.exists():  # cut short by something else than us
            path.unlink()
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()
