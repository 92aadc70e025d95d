"""`keep_alive` and `ttl` of a request's body: for the manager to know, and no business of the engine's."""

from collections.abc import Callable
from typing import Final

import msgspec

from contract.errors import ApiError
from contract.keep import parse_keep, parse_ttl
from proxy.gateway.peeked import Peeked

KEEP_FIELDS: Final = ("keep_alive", "ttl")

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def has_keep_fields(peeked: Peeked) -> bool:
    """Whether the body holds one of them, be it null."""
    return peeked.keep_alive is not msgspec.UNSET or peeked.ttl is not msgspec.UNSET


def keep_of(peeked: Peeked) -> float | None:
    """How long the model is to stay after this request: seconds, inf for ever; None: it does not say.

    `keep_alive` counts where both are there. Raises ApiError (400), with the field in `param`.
    """
    lived = _read("ttl", parse_ttl, peeked.ttl)
    kept = _read("keep_alive", parse_keep, peeked.keep_alive)
    return lived if kept is None else kept


def without_keep_fields(body: bytes) -> bytes:
    """A body that `peek` accepted -> the same without them; inner objects stay, and values keep their bytes."""
    members = _MEMBERS.decode(body)
    for field in KEEP_FIELDS:
        members.pop(field, None)
    return msgspec.json.encode(members)


def _read(field: str, parse: Callable[[object], float], value: object) -> float | None:
    if value is None or value is msgspec.UNSET:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise ApiError(400, "invalid_value", f"'{field}': {error}.", param=field) from error
