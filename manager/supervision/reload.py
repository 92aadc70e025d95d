"""What another `models.json` changes, model by model. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract.catalogue import ModelEntry
from manager.fixed import Fixed

# Keys that the manager and the proxy act on and no engine is told. Every other key counts as one that an engine is
# told, so that a key that is new to the schema is safe before anybody thinks of it here.
ENGINE_IS_NOT_TOLD = frozenset(
    {"idle_timeout", "asleep_timeout", "pin", "preload", "default_for", "keyframe", "requires", "engine", "container"}
)


@dataclass(frozen=True)
class Difference:
    """Names of models, in the order of the catalogue that has them; a model that stays as it is is in none.

    `replaced`: a running engine has to be drained and started anew. `adjusted`: it runs on under the new entry.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    adjusted: tuple[str, ...] = ()

    def __str__(self) -> str:
        groups = (
            ("added", self.added),
            ("removed", self.removed),
            ("replaced", self.replaced),
            ("adjusted", self.adjusted),
        )
        return "; ".join(f"{word} {', '.join(names)}" for word, names in groups if names) or "no change"


def difference(old: Mapping[str, Fixed], new: Mapping[str, Fixed]) -> Difference:
    """What leads from the one to the other."""
    changed = [name for name in new if name in old and _differs(old[name], new[name])]
    concerned = {name for name in changed if _concerns_engine(old[name], new[name])}
    return Difference(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        replaced=tuple(name for name in changed if name in concerned),
        adjusted=tuple(name for name in changed if name not in concerned),
    )


def _concerns_engine(old: Fixed, new: Fixed) -> bool:
    """Whether an engine of the old entry is not the one that the new entry asks for."""
    resolved = [(fixed.kind and fixed.kind.name, fixed.container, fixed.lacks) for fixed in (old, new)]
    return resolved[0] != resolved[1] or _told(old.entry) != _told(new.entry)


def _differs(old: Fixed, new: Fixed) -> bool:
    """Whether anything that the catalogue or the box decides is another.

    The hour of reading is not, nor what was made of the weights that happened to be here then.
    """
    alike = replace(
        new,
        entry=old.entry,
        grant=old.grant,
        declared=old.declared,
        weights_size=old.weights_size,
        here=old.here,
        created=old.created,
    )
    return alike != old or not _is_alike(old.entry, new.entry)


def identity_of(fixed: Fixed) -> str:
    """The model as its engine knows it: what was learned of one holds for all with the same identity."""
    engine = fixed.kind.name if fixed.kind else ""
    return f"{fixed.name}:{hashlib.sha256((engine + _told(fixed.entry)).encode()).hexdigest()[:16]}"


def _is_alike(old: ModelEntry, new: ModelEntry) -> bool:
    """Most entries are, to the letter, and that is found out fast."""
    return old.model_dump_json() == new.model_dump_json() or _written(old) == _written(new)


def _told(entry: ModelEntry) -> str:
    return _written(entry, ENGINE_IS_NOT_TOLD)


def _written(entry: ModelEntry, without: frozenset[str] = frozenset()) -> str:
    """One text for equal entries, whatever their order; unlike Python's own comparison, `true` is not `1`."""
    return json.dumps(entry.model_dump(mode="json", exclude=set(without)), sort_keys=True)
