"""Where a bucket is, and how it may be used."""

from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from proxy.artifacts.failures import BucketRefused

PROFILE = "default"


@dataclass(frozen=True)
class Credentials:
    """With which requests are signed."""

    access_key: SecretStr
    secret_key: SecretStr
    session_token: SecretStr | None = None


@dataclass(frozen=True)
class BucketPlace:
    """One prefix of a bucket, which is one store's own.

    endpoint: the server's URL, None: that of AWS in `region`
    prefix: "" for the bucket's root, else ends with "/"
    credentials: themselves, or an AWS credentials file
    ca_file: certificates that the server's is signed with, None: those that are generally trusted
    timeout: seconds without a byte, after which a call has failed
    """

    bucket: str
    credentials: Credentials | Path
    endpoint: str | None = None
    prefix: str = ""
    region: str = "us-east-1"
    ca_file: Path | None = None
    timeout: float = 20.0

    def __str__(self) -> str:
        return f"the bucket '{self.bucket}' at {self.endpoint or f'AWS in {self.region}'}"

    def read_credentials(self) -> Credentials:
        """Blocks. Raises BucketRefused."""
        return _from_file(self.credentials) if isinstance(self.credentials, Path) else self.credentials


def _from_file(path: Path) -> Credentials:
    parsed = ConfigParser(interpolation=None)
    try:
        parsed.read_string(path.read_text(encoding="utf-8"))
        values = parsed[PROFILE]
        token = values.get("aws_session_token")
        return Credentials(
            SecretStr(values["aws_access_key_id"]),
            SecretStr(values["aws_secret_access_key"]),
            SecretStr(token) if token else None,
        )
    except (OSError, UnicodeDecodeError, ConfigError, KeyError) as error:
        # What stands in the file is told to nobody: an error of the parser would quote it.
        why = error.strerror if isinstance(error, OSError) else "it has no [default] with both keys"
        raise BucketRefused(f"the file of ROUNDHOUSE_S3_CREDENTIALS_FILE cannot be used: {path}: {why}") from None
