"""What is kept, from what came and what was told of it. What is no coroutine blocks."""

from dataclasses import replace
from functools import partial

from contract.artifacts import Sidecar
from proxy.artifacts import preferences
from proxy.artifacts.backroom import Backroom, log_failure
from proxy.artifacts.facts import Facts
from proxy.artifacts.incoming import Incoming
from proxy.artifacts.kinds import look
from proxy.artifacts.names import new_id
from proxy.artifacts.reconcile import SIDECAR_LIMIT
from proxy.artifacts.staging import Staging
from proxy.on_failure import on_failure_await

# The facts that are in the sidecar as they were told.
TOLD = frozenset(Facts.__dataclass_fields__) & frozenset(Sidecar.model_fields)
TOLD -= {"kind", "mime", "width", "height"}


def put(room: Backroom, owner: str, incoming: Incoming, facts: Facts, content: bytes | None) -> tuple[Sidecar, bool]:
    """What is kept, and whether the same is there already. `content`: what was not staged before.

    Raises ApiError (413), QuotaExceeded, OSError and sqlite3.Error; nothing of it is kept then.
    """
    if content is not None:
        incoming.take_whole(content)
    sidecar = describe(room, owner, incoming, facts)
    return sidecar, room.shelf.put(incoming.staging, sidecar, facts.poster)


async def put_afar(room: Backroom, owner: str, incoming: Incoming, facts: Facts) -> tuple[Sidecar, bool]:
    """The same of what was staged, for files that are not on this disk: sent beside all else, and indexed in its turn.

    Raises ApiError.
    """
    sidecar = await room.read(partial(describe, room, owner, incoming, facts))
    await room.write(partial(room.shelf.require_room, owner, sidecar.size))
    async with on_failure_await(partial(_withdraw, room, sidecar)):
        await room.read(partial(room.folder.keep, incoming.staging, sidecar, facts.poster))
        return sidecar, await room.write(partial(room.shelf.put, None, sidecar, None))


async def _withdraw(room: Backroom, sidecar: Sidecar) -> None:
    await log_failure(room.write(partial(room.shelf.withdraw, sidecar)), f"what was sent of {sidecar.id}")


def describe(room: Backroom, owner: str, incoming: Incoming, facts: Facts) -> Sidecar:
    """The sidecar of what was staged: with the words that its owner wants to be kept. Raises OSError."""
    if facts.prompt is not None and not preferences.read(room.folder.root, owner).prompts:
        facts = replace(facts, prompt=None, request=None)
    return sidecar_of(room, owner, incoming.staging, facts)


def sidecar_of(room: Backroom, owner: str, staged: Staging, facts: Facts) -> Sidecar:
    """A new artifact's. A request that would make it too long is left out."""
    looks = look(staged.head, facts.filename, facts.mime)
    created = room.clocks.stamp()
    lifetime = room.limits.lifetime if facts.lifetime is None else facts.lifetime
    seen: dict[str, object] = {"mime": looks.mime, "kind": facts.kind or looks.kind}
    seen |= {"width": facts.width or looks.width, "height": facts.height or looks.height}
    when = {"created": created, "expires": None if lifetime is None else created + lifetime}
    what = {"id": new_id(), "owner": owner, "size": staged.size, "sha256": staged.sha256()}
    told = {name: getattr(facts, name) for name in TOLD}
    sidecar = Sidecar.model_validate({**told, **seen, **when, **what, "blocks": staged.blocks_digest()})
    is_short = facts.request is None or len(sidecar.model_dump_json()) <= SIDECAR_LIMIT // 4  # in characters
    return sidecar if is_short else sidecar.model_copy(update={"request": None})
