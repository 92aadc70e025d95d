"""What is set from outside about the bucket: none, unless ROUNDHOUSE_S3_BUCKET names one."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from proxy.artifacts.bucket.place import BucketPlace, Credentials

KEYS = "ROUNDHOUSE_S3_ACCESS_KEY and ROUNDHOUSE_S3_SECRET_KEY"

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_PREFIX = re.compile(r"([A-Za-z0-9_.-]+/)*")
_NEEDS_A_BUCKET = ("s3_endpoint", "s3_access_key", "s3_secret_key", "s3_credentials_file", "s3_ca_file")


class BucketSettings(BaseModel):
    """A part of `StoreSettings`."""

    s3_endpoint: str | None = Field(None, description="the server's URL; unset: AWS, in its region")
    s3_prefix: str = Field("", description="what the names of all objects begin with, one store's own")
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_credentials_file: Path | None = Field(None, description="in place of the keys: an AWS credentials file")
    s3_ca_file: Path | None = Field(None, description="certificates (PEM) that the server's is signed with")
    s3_timeout: Annotated[float, Field(gt=0)] = Field(20.0, description="seconds of silence until a call has failed")
    # The last one, as it is held against the others.
    s3_bucket: str | None = Field(None, validate_default=True, description="a bucket, in place of folders on the disk")

    @field_validator("s3_endpoint")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.path.strip("/"):
            raise ValueError("ROUNDHOUSE_S3_ENDPOINT is an address such as https://s3.example.org:9000, and no more")
        return value.rstrip("/")

    @field_validator("s3_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        whole = f"{value.strip('/')}/" if value.strip("/") else ""
        if not _PREFIX.fullmatch(whole) or {".", ".."} & set(whole.split("/")):
            raise ValueError("ROUNDHOUSE_S3_PREFIX has letters, digits, '_', '.', '-', and '/' between them")
        return whole

    @field_validator("s3_bucket")
    @classmethod
    def _is_complete(cls, value: str | None, info: ValidationInfo) -> str | None:
        told = info.data
        if value is None:
            alone = [name for name in _NEEDS_A_BUCKET if told.get(name) is not None]
            if alone:
                raise ValueError(f"ROUNDHOUSE_{alone[0].upper()} is set, and ROUNDHOUSE_S3_BUCKET is not")
            return None
        if not _BUCKET.fullmatch(value):
            raise ValueError("ROUNDHOUSE_S3_BUCKET is a bucket's name, without an address")
        has_file = told.get("s3_credentials_file") is not None
        keys = [told.get(name) is not None for name in ("s3_access_key", "s3_secret_key")]
        if any(keys) if has_file else not all(keys):
            raise ValueError(f"a bucket needs {KEYS}, or else ROUNDHOUSE_S3_CREDENTIALS_FILE")
        return value

    @property
    def bucket_place(self) -> BucketPlace | None:
        """None: what is kept is kept on the disk."""
        if self.s3_bucket is None:
            return None
        keys = (self.s3_access_key, self.s3_secret_key)
        if self.s3_credentials_file is not None:
            credentials: Credentials | Path = self.s3_credentials_file
        elif keys[0] is not None and keys[1] is not None:
            credentials = Credentials(keys[0], keys[1])
        else:
            raise ValueError("a bucket without credentials")  # which the validator has refused
        return BucketPlace(
            bucket=self.s3_bucket,
            credentials=credentials,
            endpoint=self.s3_endpoint,
            prefix=self.s3_prefix,
            region=self.s3_region,
            ca_file=self.s3_ca_file,
            timeout=self.s3_timeout,
        )
