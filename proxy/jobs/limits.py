"""What bounds jobs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobLimits:
    """waiting: jobs of one model; of_owner: jobs of one owner that are not over

    patience: seconds that a job waits for its models; pause: seconds before what did not work is first tried again
    lifetime: seconds that a job is kept after its end; None: for ever
    assets: seconds that what it made is kept; None: for ever
    """

    waiting: int = 256
    of_owner: int = 64
    patience: float = 24 * 3600.0
    pause: float = 1.0
    lifetime: float | None = None
    assets: float | None = None

    def expiry(self, completed: int) -> int | None:
        """When what is told of a job that is over begins to go: its artifacts, or the job itself."""
        lasting = [seconds for seconds in (self.lifetime, self.assets) if seconds is not None]
        return completed + int(min(lasting)) if lasting else None
