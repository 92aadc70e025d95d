"""What a look at the devices changes: what models are known to take, and, where devices came or went, what can run."""

from collections.abc import Callable, Mapping

from contract.states import ModelState
from manager.box.devices import DeviceSeen
from manager.fixed import Fixed
from manager.supervision.model import Model
from manager.supervision.succession import Succession
from manager.supervision.transitions import Transitions

Refit = Callable[[tuple[DeviceSeen, ...]], Mapping[str, Fixed]]
"""What the catalogue makes of each model on a box with such devices."""


class Lookout:
    """Called by the supervisor alone, which owns `models`."""

    def __init__(
        self, models: Mapping[str, Model], transitions: Transitions, succession: Succession, refit: Refit
    ) -> None:
        self.models = models
        self.transitions = transitions
        self.succession = succession
        self.refit = refit
        self._fitted: frozenset[str] | None = None  # the devices that the models are fitted to
        self._last: frozenset[str] | None = None

    def look(self, at: float, devices: tuple[DeviceSeen, ...]) -> set[str]:
        """The models for which something is new."""
        running = {model.name for model in self.models.values() if model.engine is not None}
        busy = {name for name in running if self.models[name].holders}
        if self._fitted is None:  # to what was there when the catalogue was read, which may be a while ago
            self._fitted = frozenset(device.id for device in self.transitions.ledger.devices)
        self.transitions.ledger.see(at, devices, busy, self._host_held())
        for name in running:
            self.transitions.learning.measured(self.models[name])
        return running | self._fit(devices)

    def _host_held(self) -> int | None:
        """What models asleep keep in host memory, or None while some of it comes or goes."""
        sleepers = [model for model in self.models.values() if model.sleep is not None and model.host_held]
        if any(model.state is not ModelState.ASLEEP for model in sleepers):
            return None
        return sum(model.host_held for model in sleepers)

    def _fit(self, devices: tuple[DeviceSeen, ...]) -> set[str]:
        """A device that is missed by one look alone may have been unable to answer."""
        here, before = frozenset(device.id for device in devices), self._last
        self._last = here
        if here == self._fitted or here != before:
            return set()
        self._fitted = here
        self.succession.refit(self.refit(devices))
        return set(self.models)
