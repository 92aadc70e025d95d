"""Each model's changes of state, counted as the manager tells them."""

from collections import Counter
from collections.abc import Iterable, Mapping

from contract.states import ModelState, ModelStatus

SERVING = frozenset({ModelState.READY, ModelState.DRAINING})


class ModelWatch:
    """`changes`: model and state -> how often it went there. `loads`: model -> how often it became ready anew.

    What happened while the manager was away is seen as one change at most. The first that is told of a model is where
    it stands, and no change: an engine that was adopted is no load.
    """

    def __init__(self) -> None:
        self._states: dict[str, ModelState] = {}
        self.changes: Counter[tuple[str, ModelState]] = Counter()
        self.loads: Counter[str] = Counter()

    @property
    def states(self) -> Mapping[str, ModelState]:
        """Where each model stands, as last told."""
        return self._states

    def know(self, statuses: Iterable[ModelStatus]) -> None:
        """All models there are: the others are forgotten, with their counts."""
        listed = tuple(statuses)
        for gone in self._states.keys() - {status.name for status in listed}:
            self._forget(gone)
        for status in listed:
            self.learn(status)

    def learn(self, status: ModelStatus) -> None:
        """One model's status."""
        before = self._states.get(status.name)
        self._states[status.name] = status.state
        if before is None or before is status.state:
            return
        self.changes[status.name, status.state] += 1
        if status.state is ModelState.READY and before not in SERVING:
            self.loads[status.name] += 1

    def _forget(self, model: str) -> None:
        del self._states[model]
        self.loads.pop(model, None)
        for state in ModelState:
            self.changes.pop((model, state), None)
