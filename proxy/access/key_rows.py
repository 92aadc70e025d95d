"""What the tables of `database.py` hold, read."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contract.keys import NO_LIMITS, KeyInfo, KeyLimits, KeyWish, ModelUsage
from proxy.access.keys import Key


@dataclass(frozen=True)
class Contents:
    """What is in force. `ever`: there was a key, be it revoked."""

    keys: tuple[Key, ...]
    users: Mapping[str, KeyLimits]
    ever: bool


def has_admin(link: sqlite3.Connection) -> bool:
    """Whether any admin key is in force."""
    rows = link.execute("SELECT details FROM keys WHERE revoked IS NULL")
    return any(KeyWish.model_validate_json(details).admin for (details,) in rows)


def read_contents(link: sqlite3.Connection) -> Contents:
    """All that is in force."""
    rows = link.execute("SELECT id, digest, details FROM keys WHERE revoked IS NULL").fetchall()
    keys = tuple(_key(key_id, digest, KeyWish.model_validate_json(details)) for key_id, digest, details in rows)
    ever = link.execute("SELECT EXISTS (SELECT 1 FROM keys)").fetchone()[0] == 1
    return Contents(keys, _users(link), ever)


def _key(key_id: str, digest: bytes, wish: KeyWish) -> Key:
    models = frozenset(wish.models) if wish.models is not None else None
    return Key(key_id, digest, wish.name, wish.user, wish.admin, models, wish.limits)


def _users(link: sqlite3.Connection) -> dict[str, KeyLimits]:
    rows = link.execute("SELECT name, limits FROM users")
    return {name: KeyLimits.model_validate_json(limits) for name, limits in rows}


def read_usage(link: sqlite3.Connection, key_id: str) -> tuple[ModelUsage, ...]:
    """What a key had, by model."""
    columns = "model, requests, prompt_tokens, completion_tokens"
    rows = link.execute(f"SELECT {columns} FROM usage WHERE key = ? ORDER BY model", (key_id,))
    return tuple(
        ModelUsage(model=model, requests=requests, prompt_tokens=prompt, completion_tokens=completion)
        for model, requests, prompt, completion in rows
    )


def read_infos(link: sqlite3.Connection, where: str, values: tuple[str, ...]) -> Iterable[KeyInfo]:
    """Keys as they are told of, oldest first."""
    users = _users(link)
    query = f"SELECT id, details, created, revoked FROM keys {where} ORDER BY created, rowid"
    for key_id, details, created, revoked in link.execute(query, values).fetchall():
        wish = KeyWish.model_validate_json(details)
        yield KeyInfo(
            id=key_id,
            created=created,
            revoked=revoked,
            user_limits=users.get(wish.user or "", NO_LIMITS),
            usage=read_usage(link, key_id),
            **wish.model_dump(exclude={"user_limits"}),
        )
