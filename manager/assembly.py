"""Catalogue and box -> the models that are managed. Pure but for the size of the weights.

Also what is adopted: engines that an earlier manager left, whose specification is still the wanted one.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contract.catalogue import Catalogue, ModelEntry, ModelType
from contract.catalogue_file import CatalogueError, Problem
from contract.states import ModelState
from manager.devices import Device, lacking
from manager.effects import Effects
from manager.engines import engine_for
from manager.engines.kind import EngineKind
from manager.ledger import candidates, need_of
from manager.model import Fixed, Model
from manager.settings import ManagerSettings
from manager.specification import EngineError, EngineSpec, Found
from manager.weights import WeightsStore


@dataclass(frozen=True)
class Box:
    """What models are fitted to."""

    settings: ManagerSettings
    engines: Mapping[str, EngineKind]
    devices: tuple[Device, ...]
    weights: WeightsStore


def build_models(catalogue: Catalogue, box: Box) -> dict[str, Model]:
    """Raises CatalogueError where an engine is unknown or refuses an entry's `args` or `env`."""
    models = {name: _model(name, entry, box) for name, entry in catalogue.models.items()}
    problems = [problem for model in models.values() if (problem := _problem(model, box)) is not None]
    if problems:
        raise CatalogueError(tuple(problems))
    return models


def _model(name: str, entry: ModelEntry, box: Box) -> Model:
    kind = engine_for(box.engines, entry.type, entry.engine)
    lacks = lacking(entry.requires, box.devices) if kind else f"no engine here serves the type {', '.join(entry.type)}"
    idle_timeout = box.settings.idle_timeout if entry.idle_timeout is None else entry.idle_timeout
    fixed = Fixed(
        name=name,
        entry=entry,
        kind=kind,
        container=entry.container or f"{box.settings.instance}-{name}".lower(),
        need=need_of(entry, box.weights.size_of(entry)),
        devices=candidates(entry, box.devices),
        idle_timeout=idle_timeout,
        drain_bound=box.settings.drain_text if ModelType.TEXT in entry.type else box.settings.drain_media,
        created=int(time.time()),
        lacks=lacks,
    )
    return Model(fixed, state=ModelState.UNAVAILABLE if lacks else ModelState.STOPPED)


def _problem(model: Model, box: Box) -> Problem | None:
    entry, kind = model.fixed.entry, model.fixed.kind
    if entry.engine is not None and kind is None:
        return Problem(f"{model.name}.engine", repr(entry.engine), f"write one of {', '.join(sorted(box.engines))}")
    wrong = kind.problem_with(entry) if kind else None
    return Problem(model.name, "not allowed", wrong) if wrong else None


def adoptable(found: Found, model: Model, effects: Effects) -> tuple[str, EngineSpec] | None:
    """The device and specification that a running engine matches, or None where it is to be replaced."""
    if not found.running or model.fixed.lacks is not None:
        return None
    return next(_matching(found, model, effects), None)


def _matching(found: Found, model: Model, effects: Effects) -> Iterator[tuple[str, EngineSpec]]:
    for device in model.fixed.devices:
        try:
            spec = effects.specify(model.fixed, device)
        except EngineError:  # its weights are gone or refused now
            continue
        if spec.hash == found.spec_hash and spec.container == found.container:
            yield device, spec
