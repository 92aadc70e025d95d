"""API keys as they cross the wire: what is asked for at `/admin/keys`, and what is told. Never a secret, but once.

POST /admin/keys            KeyWish -> 201 KeyCreated: the only time that the key itself is told
GET /admin/keys             KeyList, the revoked included
DELETE /admin/keys/{id}     KeyInfo, revoked; asked again, the same answer
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Bound = Annotated[int, Field(ge=1, le=10**12)]


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class KeyLimits(_Wire):
    """What a key, or all keys of a user together, may have at most. None: as much as there is."""

    requests_per_minute: Bound | None = None
    tokens_per_minute: Bound | None = Field(None, description="of prompts and answers")
    concurrent_requests: Bound | None = None


NO_LIMITS = KeyLimits()


class KeyWish(_Wire):
    """A key to be made.

    models: names or aliases that it may use; None is every model
    admin: it may use `/admin/*`, too
    user: whose it is; several keys may be one user's
    user_limits: what that user's keys have together, from now on; None leaves it as it is
    """

    name: Name
    user: Name | None = None
    admin: bool = False
    models: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] | None = Field(None, max_length=1000)
    limits: KeyLimits = NO_LIMITS
    user_limits: KeyLimits | None = None


class ModelUsage(_Wire):
    """What a key had of one model since it was made."""

    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int


class KeyInfo(_Wire):
    """A key, without its secret. Times are seconds since 1970. `user_limits` are what its user's keys have together."""

    id: str
    name: str
    user: str | None
    admin: bool
    models: tuple[str, ...] | None
    limits: KeyLimits
    user_limits: KeyLimits
    created: int
    revoked: int | None
    usage: tuple[ModelUsage, ...] = ()


class KeyCreated(KeyInfo):
    """A key that was just made, and the text that its holder sends: nobody can be told again."""

    key: str = Field(repr=False)


class KeyList(_Wire):
    """Every key that was ever made, oldest first."""

    keys: tuple[KeyInfo, ...]
