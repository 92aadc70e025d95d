"""The key file: the first admin's key, with which others are made."""

from pathlib import Path

SHORTEST = 16


class KeyFileError(ValueError):
    """The key file cannot be used; the text says what to do."""


def read_key(path: Path) -> str:
    """The one key in a file. Raises KeyFileError."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"ROUNDHOUSE_KEY_FILE={path} cannot be read: {error}") from error
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyFileError(
            f"ROUNDHOUSE_KEY_FILE={path}: write one key of at least {SHORTEST} characters without spaces, "
            'such as python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes'
        )
    return key
