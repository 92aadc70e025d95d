"""What is set from outside about jobs."""

from typing import Annotated

from pydantic import BaseModel, Field

from proxy.jobs.limits import JobLimits

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class JobSettings(BaseModel):
    """A part of `proxy.settings.Settings`."""

    job_limit: Count = Field(256, description="jobs of one model that may wait")
    job_owner_limit: Count = Field(64, description="jobs of one owner that are not over")
    job_patience: Seconds = Field(24 * 3600.0, description="a job waits so long for its models in all")
    job_lifetime: Seconds | None = Field(
        30 * 86_400.0, description="a job that is over is known for so long; what it made stays"
    )

    @property
    def job_limits(self) -> JobLimits:
        return JobLimits(
            waiting=self.job_limit,
            of_owner=self.job_owner_limit,
            patience=self.job_patience,
            lifetime=self.job_lifetime,
        )
