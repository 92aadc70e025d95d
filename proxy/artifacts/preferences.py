"""What an owner wants to be kept of what was asked: a small file each. Every call blocks; the errors are OSError."""

import os
import secrets
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FOLDER = "owners"


class Preferences(BaseModel):
    """`prompts`: whether what is made keeps the words, and the request, that it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompts: bool = True


# A file that cannot be understood is not taken as leave.
STRICTEST = Preferences(prompts=False)


def read(root: Path, owner: str) -> Preferences:
    try:
        return Preferences.model_validate_json(_place(root, owner).read_bytes())
    except FileNotFoundError:
        return Preferences()
    except ValidationError:
        return STRICTEST


def write(root: Path, owner: str, wanted: Preferences) -> None:
    """In force when this returns, in every process that uses the store."""
    place = _place(root, owner)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    draft = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(wanted.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _place(root: Path, owner: str) -> Path:
    return root / FOLDER / f"{sha256(owner.encode()).hexdigest()[:32]}.json"
