"""What a look at the devices changes: what models are known to take, and, where devices came or went, what can run."""

from collections.abc import Callable, Mapping

from manager.devices import DeviceSeen
from manager.fixed import Fixed
from manager.model import Model
from manager.succession import Succession
from manager.transitions import Transitions

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
        busy = {model.name for model in self.models.values() if model.holders}
        self.transitions.ledger.see(at, devices, busy)
        running = {model.name for model in self.models.values() if model.engine is not None}
        for name in running:
            self.transitions.learning.measured(self.models[name])
        return running | self._fit(devices)

    def _fit(self, devices: tuple[DeviceSeen, ...]) -> set[str]:
        """A device that is missed by one look alone may have been unable to answer."""
        here, before = frozenset(device.id for device in devices), self._last
        self._last = here
        if self._fitted is None:
            self._fitted = here
        if here == self._fitted or here != before:
            return set()
        self._fitted = here
        self.succession.refit(self.refit(devices))
        return set(self.models)
