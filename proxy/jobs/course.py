"""How a job that is not over stands at this moment. In memory alone: after a restart it begins anew."""

from dataclasses import dataclass, field

from contract.jobs import JobStage

ALMOST = 99  # until all is stored
POLL_LEAST, POLL_MOST = 250, 5000  # milliseconds


@dataclass
class Course:
    """`planned` are the steps that each stage is thought to take, until its engine says how many they are.

    asked: the model that is asked for at this moment
    began: when the stage's first step was done, in seconds of the loop's clock; pace: seconds a step takes
    """

    planned: dict[JobStage, int] = field(default_factory=dict)
    stage: JobStage = JobStage.WAITING
    step: int = 0
    steps: int = 0
    asked: str = ""
    pace: float | None = None
    _done: dict[JobStage, int] = field(default_factory=dict)
    _last: float | None = None
    _told: int = 0

    def begin(self, stage: JobStage, model: str) -> None:
        """The next stage: its model is asked for."""
        self.stage, self.asked = stage, model
        self.step, self.steps = 0, self.planned.get(stage, 0)
        self.pace = self._last = None

    def take(self, step: int, steps: int, now: float) -> None:
        """An engine says how far it is."""
        if self._last is not None and step > self.step:
            self.pace = (now - self._last) / (step - self.step)
        self._last = now
        self.step, self.steps = step, steps
        self.planned[self.stage] = steps
        self._done[self.stage] = step

    @property
    def percent(self) -> int:
        """The share of all stages' steps that is done; it never falls, and is not whole before the job is."""
        total = sum(max(each, 1) for each in self.planned.values())
        share = 100 * sum(self._done.values()) // total if total else 0
        self._told = max(self._told, min(share, ALMOST))
        return self._told

    def poll_after(self, position: int) -> int:
        """Milliseconds after which asking again is worth it."""
        if position:
            return min(POLL_MOST, 1000 * position)
        return POLL_LEAST if self.pace is None else min(POLL_MOST, max(POLL_LEAST, round(1000 * self.pace)))
