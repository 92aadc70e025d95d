"""A new catalogue takes over from the old one, model by model: what runs is drained and replaced, never cut."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from contract.states import ModelState
from manager.fixed import Fixed
from manager.specification import Failure
from manager.supervision.callers import gone
from manager.supervision.model import Model
from manager.supervision.reload import difference
from manager.supervision.transitions import Transitions

log = logging.getLogger(__name__)


def make_model(fixed: Fixed, transitions: Transitions) -> Model:
    """A model that nothing has happened to yet, with what earlier managers learned of it."""
    model = Model(fixed, transitions.effects.recall(fixed), here=fixed.here)
    model.state = ModelState.UNAVAILABLE if fixed.lacks else ModelState.STOPPED
    return model


class Succession:
    """Called by the supervisor alone, which owns `models`."""

    def __init__(self, models: dict[str, Model], transitions: Transitions) -> None:
        self.models = models
        self.transitions = transitions

    def apply(self, fixed: Mapping[str, Fixed], now: float) -> None:
        """What a new catalogue changes. `preload` is heeded for what is new."""
        present = {name: model.successor or model.fixed for name, model in self.models.items() if not model.removed}
        change = difference(present, fixed)
        log.info("models.json: %s", change)
        for name in change.adjusted:
            self._adjust(self.models[name], fixed[name])
        for name in change.replaced:
            self._replace(self.models[name], fixed[name], now)
        for name in change.removed:
            self._remove(self.models[name], now)
        for name in change.added:
            self._add(name, fixed[name], now)
        self._keep_apart()

    def _adjust(self, model: Model, fixed: Fixed) -> None:
        if model.successor is not None:
            model.successor = fixed
        else:
            model.fixed = replace(fixed, created=model.fixed.created)

    def _replace(self, model: Model, fixed: Fixed, now: float) -> None:
        model.successor = fixed
        self.transitions.put_away(model, model.fixed.drain_bound, now, "catalogue changed")
        self.settle(model)

    def _remove(self, model: Model, now: float) -> None:
        model.removed, model.successor = True, None
        waiting = [lease for lease in model.leases if not lease.holds]
        for lease in waiting:
            lease.tell(gone(model.name))
            model.leases.remove(lease)
        self.transitions.put_away(model, model.fixed.drain_bound, now, "catalogue changed")
        self.settle(model)

    def _add(self, name: str, fixed: Fixed, now: float) -> None:
        model = self.models.get(name)
        if model is not None:  # removed a moment ago, and its engine has not ended yet
            model.removed, model.successor = False, fixed
            self.settle(model)
        else:
            model = self.models[name] = make_model(fixed, self.transitions)
        if fixed.entry.preload and fixed.lacks is None:
            model.load_wanted_at = now

    def settle(self, model: Model) -> set[str]:
        """Once its last engine has ended, a model is what the new catalogue says, or is gone.

        Returns the names of the models that waited for its container's name.
        """
        if model.engine is not None or model.errand is not None:
            return set()
        if model.removed:
            self.models.pop(model.name, None)
        elif model.successor is not None:
            self._succeed(model, model.successor)
        else:
            return set()
        return self._keep_apart()

    def _keep_apart(self) -> set[str]:
        """A model whose container another one's engine still has waits until that engine has ended. Who does anew."""
        owners = {model.fixed.container: model for model in self.models.values() if model.engine is not None}
        changed = set()
        for model in self.models.values():
            displaced = owners.get(model.fixed.container, model) is not model
            if displaced != model.displaced:
                model.displaced = displaced
                changed.add(model.name)
        return changed

    def _succeed(self, model: Model, fixed: Fixed) -> None:
        model.fixed, model.successor, model.here = replace(fixed, created=model.fixed.created), None, fixed.here
        model.lessons = self.transitions.effects.recall(fixed)
        model.forgive()
        if fixed.lacks is not None:
            model.state = ModelState.UNAVAILABLE
            model.forget_wants()
            self.transitions.dismiss(model, tuple(model.leases), Failure("model_unavailable", fixed.lacks))

    def refit(self, fit: Mapping[str, Fixed]) -> None:
        """The box has other devices than before: what can run, and where, is another matter now."""
        for name, fixed in fit.items():
            model = self.models.get(name)
            if model is None or model.successor is not None or fixed == model.fixed:
                continue
            model.fixed = fixed
            if model.engine is None and model.errand is None:
                self._succeed(model, fixed)
