"""What bounds jobs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobLimits:
    """waiting: jobs of one model; of_owner: jobs of one owner that are not over

    patience: seconds that a job waits for its models; pause: seconds before what did not work is first tried again
    """

    waiting: int = 256
    of_owner: int = 64
    patience: float = 24 * 3600.0
    pause: float = 1.0
