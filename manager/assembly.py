"""Catalogue and box -> the models that are managed. Pure but for the size of the weights.

Also what is adopted: engines that an earlier manager left, whose specification is still the wanted one.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from contract.catalogue import Catalogue, ModelEntry, ModelType
from contract.catalogue_file import CatalogueError, Problem
from manager.box.devices import DeviceSeen, lacking
from manager.engines import engine_for
from manager.engines.kind import EngineKind
from manager.fixed import Fixed, Place
from manager.scheduling.needs import grant_of, places_of
from manager.settings import ManagerSettings
from manager.specification import EngineError, EngineSpec, Found
from manager.supervision.effects import Effects
from manager.weights.store import WeightsStore

_DRAINED_AS_TEXT = frozenset({ModelType.TEXT, ModelType.EMBEDDING, ModelType.RERANK})  # none of their answers is long


@dataclass(frozen=True)
class Box:
    """What models are fitted to."""

    settings: ManagerSettings
    engines: Mapping[str, EngineKind]
    devices: tuple[DeviceSeen, ...]
    weights: WeightsStore


def fix_models(catalogue: Catalogue, box: Box) -> dict[str, Fixed]:
    """Raises CatalogueError for an unknown engine, one that refuses an entry's keys, and a container that two models
    would have. Blocks on files.
    """
    models = {name: _fix(name, entry, box) for name, entry in catalogue.models.items()}
    problems = [problem for fixed in models.values() if (problem := _problem(fixed, box)) is not None]
    problems += _taken_containers(models)
    if problems:
        raise CatalogueError(tuple(problems))
    return models


def _fix(name: str, entry: ModelEntry, box: Box) -> Fixed:
    settings = box.settings
    size = box.weights.size_of(entry)
    fixed = Fixed(
        name=name,
        entry=entry,
        kind=engine_for(box.engines, entry.type, entry.engine),
        container=entry.container or f"{settings.instance}-{name}".lower(),
        grant=grant_of(entry, size),
        declared=entry.memory is not None,
        weights_size=size,
        places=(),
        idle_timeout=_timeout(entry.idle_timeout, settings.idle_timeout),
        asleep_timeout=_timeout(entry.asleep_timeout, settings.asleep_timeout),
        drain_bound=settings.drain_text if _DRAINED_AS_TEXT.intersection(entry.type) else settings.drain_media,
        created=int(time.time()),
        here=entry.source is None or entry.is_local or box.weights.find(entry) is not None,
    )
    return fit(fixed, box.devices, settings.memory_reserve)


def fit(fixed: Fixed, devices: tuple[DeviceSeen, ...], reserve: int) -> Fixed:
    """The model on a box with such devices, of whose host memory engines never get `reserve` bytes. Pure."""
    entry = fixed.entry
    if fixed.kind is None:
        lacks: str | None = f"no engine here serves the type {', '.join(entry.type)}"
    else:
        lacks = lacking(entry.requires, devices, reserve)
    return replace(fixed, places=places_of(entry, devices), lacks=lacks)


def _timeout(seconds: float | None, otherwise: float) -> float:
    """As entries and settings write it -> seconds; 0 is never."""
    return (otherwise if seconds is None else seconds) or math.inf


def _problem(fixed: Fixed, box: Box) -> Problem | None:
    entry, kind = fixed.entry, fixed.kind
    if entry.engine is not None and kind is None:
        return Problem(f"{fixed.name}.engine", repr(entry.engine), f"write one of {', '.join(sorted(box.engines))}")
    wrong = kind.problem_with(entry) if kind else None
    return Problem(fixed.name, "not allowed", wrong) if wrong else None


def _taken_containers(models: Mapping[str, Fixed]) -> Iterator[Problem]:
    """Without a `container`, one's name comes of the model's, in small letters: two models may come to the same."""
    owners: dict[str, str] = {}
    for name, fixed in models.items():
        owner = owners.setdefault(fixed.container, name)
        if owner != name:
            yield Problem(f"{name}.container", fixed.container, f"taken by {owner}; give each its own")


def adoptable(
    found: Found, fixed: Fixed, effects: Effects, devices: tuple[DeviceSeen, ...]
) -> tuple[Place, EngineSpec] | None:
    """The place and specification that a running engine matches, or None where it is to be replaced."""
    if not found.running or fixed.lacks is not None:
        return None
    return next(_matching(found, fixed, effects, devices), None)


def _matching(
    found: Found, fixed: Fixed, effects: Effects, devices: tuple[DeviceSeen, ...]
) -> Iterator[tuple[Place, EngineSpec]]:
    for place in fixed.places:
        try:
            spec = effects.specify(fixed, place, devices)
        except EngineError:  # its weights are gone or refused now
            continue
        if spec.hash == found.spec_hash and spec.container == found.container:
            yield place, spec
