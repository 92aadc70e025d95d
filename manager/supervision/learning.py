"""What the runs of a model teach: how long it takes to come, and how much memory it takes."""

from contract.states import ModelState
from manager.scheduling.ledger import Ledger
from manager.scheduling.lessons import Lessons
from manager.supervision.effects import Effects
from manager.supervision.model import Model


class Learning:
    """Called by the supervisor alone."""

    def __init__(self, effects: Effects, ledger: Ledger) -> None:
        self.effects = effects
        self.ledger = ledger

    def keep(self, model: Model, lessons: Lessons) -> None:
        """Remembers a lesson, if it is new, also for the managers that come after this one."""
        if lessons != model.lessons:
            model.lessons = lessons
            self.effects.remember(model.fixed, lessons)

    def measured(self, model: Model) -> None:
        """The ledger has looked at the devices again: the model is booked with what it was seen to take."""
        model.used = self.ledger.used(model.name)
        if model.state in {ModelState.READY, ModelState.DRAINING}:
            self.keep(model, model.lessons.with_peak(model.used))
            model.holds = max(model.holds, model.need)
        elif model.state is ModelState.ASLEEP and self.ledger.is_measured(model.name):
            self._measured_asleep(model)

    def _measured_asleep(self, model: Model) -> None:
        """Two that went to sleep at once are each booked with all that both keep: one of them may keep it."""
        holds = self.ledger.most_used(model.name)
        if holds != model.holds:
            model.holds = holds
            self.keep(model, model.lessons.with_residue(model.used))
