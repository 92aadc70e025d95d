"""What is set from outside about what is kept: where, how much and how long."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from contract.sizes import ByteCount
from proxy.artifacts.bucket.settings import BucketSettings
from proxy.artifacts.limits import StoreLimits

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class StoreSettings(BucketSettings):
    """A part of `proxy.settings.Settings`."""

    artifacts_dir: Path = Field(Path("run/artifacts"), description="the folder of what is made and uploaded")
    artifact_size: Annotated[ByteCount, Field(gt=0)] = 4 * 2**30
    artifact_quota: ByteCount | None = Field(None, description="of all artifacts of one owner")
    artifact_space: ByteCount | None = Field(None, description="of all artifacts of all owners")
    artifact_count: Count | None = Field(None, description="artifacts of one owner")
    artifact_lifetime: Seconds | None = Field(None, description="artifacts are removed after so long; unset: never")
    artifact_address: Seconds = Field(3600.0, description="an address that needs no key is good for so long")

    @property
    def store_limits(self) -> StoreLimits:
        return StoreLimits(
            size=self.artifact_size,
            quota=self.artifact_quota,
            space=self.artifact_space,
            count=self.artifact_count,
            lifetime=self.artifact_lifetime,
            address=self.artifact_address,
        )
