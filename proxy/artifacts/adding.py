"""What is kept, from what came and what was told of it: the writer's part of it. Blocks."""

from dataclasses import replace

from contract.artifacts import Sidecar
from proxy.artifacts import preferences
from proxy.artifacts.backroom import Backroom
from proxy.artifacts.facts import Facts
from proxy.artifacts.incoming import Incoming
from proxy.artifacts.kinds import look
from proxy.artifacts.names import new_id
from proxy.artifacts.reconcile import SIDECAR_LIMIT
from proxy.artifacts.staging import Staging

# The facts that are in the sidecar as they were told.
TOLD = frozenset(Facts.__dataclass_fields__) & frozenset(Sidecar.model_fields)
TOLD -= {"kind", "mime", "width", "height"}


def put(room: Backroom, owner: str, incoming: Incoming, facts: Facts, content: bytes | None) -> tuple[Sidecar, bool]:
    """What is kept, and whether the same is there already. `content`: what was not staged before.

    Raises ApiError (413), QuotaExceeded, OSError and sqlite3.Error; nothing of it is kept then.
    """
    if content is not None:
        incoming.take_whole(content)
    if facts.prompt is not None and not preferences.read(room.folder.root, owner).prompts:
        facts = replace(facts, prompt=None, request=None)
    sidecar = sidecar_of(room, owner, incoming.staging, facts)
    return sidecar, room.shelf.put(incoming.staging, sidecar, facts.poster)


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
