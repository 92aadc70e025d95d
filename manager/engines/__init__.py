"""One file per engine: catalogue entry -> specification, pure, and what the engine means by its own words.

`ENGINES` is found by a scan of this folder; a second file that claims a taken name is refused.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from contract.catalogue import ModelType
from manager.engines.kind import EngineKind


def _scan() -> Iterable[EngineKind]:
    for module in pkgutil.iter_modules(__path__):
        found: EngineKind | None = getattr(importlib.import_module(f"{__name__}.{module.name}"), "ENGINE", None)
        if found is not None:
            yield found


def registry(kinds: Iterable[EngineKind]) -> Mapping[str, EngineKind]:
    """Engines by name. Raises ValueError where two claim the same name."""
    found: dict[str, EngineKind] = {}
    for kind in kinds:
        if kind.name in found:
            raise ValueError(f"two engines are named {kind.name}")
        found[kind.name] = kind
    return MappingProxyType(found)


ENGINES = registry(_scan())


def engine_for(
    engines: Mapping[str, EngineKind], types: Iterable[ModelType], override: str | None
) -> EngineKind | None:
    """The engine that an entry names, else the one whose types hold all of the entry's; None if there is none."""
    if override is not None:
        return engines.get(override)
    wanted = frozenset(types)
    return next((kind for kind in engines.values() if wanted <= kind.default_for), None)
