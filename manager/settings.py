"""Where the manager finds things and how long it waits. The environment is read here and nowhere else.

Every field is `ROUNDHOUSE_` and its name in capitals, e.g. `ROUNDHOUSE_MODELS_DIR`.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.sizes import ByteCount


class ManagerSettings(BaseSettings):
    """Frozen once read. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_", frozen=True, extra="ignore")

    manager_host: str = "127.0.0.1"
    manager_port: int = Field(8090, ge=0, le=65535)
    instance: str = Field("roundhouse", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    runtime: Literal["docker", "process"] = "process"
    catalogue: Path = Path("models.json")
    models_dir: Path = Path("models")
    hub_dir: Path = Path.home() / ".cache" / "huggingface"
    run_dir: Path = Path("run")
    engines_dir: Path = Path(".engines")
    token_file: Path = Path("run/token")
    # Where engines fetch weights from is the manager's affair alone; both are what hub users already have set.
    hub_token: str | None = Field(None, validation_alias="HF_TOKEN", repr=False)
    hub_endpoint: str | None = Field(None, validation_alias="HF_ENDPOINT")
    hub_offline: bool = Field(False, validation_alias="HF_HUB_OFFLINE")

    memory_reserve: ByteCount = 2 * 2**30  # host memory that engines never get
    idle_timeout: float = Field(1800, ge=0)  # for entries that say nothing; 0: never
    drain_text: float = 120
    drain_media: float = 900
    stop_grace: float = 30
    probe_timeout: float = 5
    fair_share: float = 30  # a model that was waited for stays ready at least this long
    settle: float = 10  # after a start of the manager nothing is evicted for this long
    shutdown_drain: float = 5

    @property
    def logs_dir(self) -> Path:
        return self.run_dir / "logs"


def fetch_environment(settings: ManagerSettings) -> dict[str, str]:
    """The environment of the program that fetches weights: the only one that is given the hub's token."""
    # Plain HTTP can go on where it stopped, and its progress can be seen; the hub's other protocol shows neither.
    chosen = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    given = {"HF_TOKEN": settings.hub_token, "HF_ENDPOINT": settings.hub_endpoint}
    trust = {key: os.environ[key] for key in _TRUST if key in os.environ}
    return {**engine_environment(), **trust, **chosen, **{key: value for key, value in given.items() if value}}


# Where a company's own certificates are, and the way out of its network.
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
# What a program needs to run at all. Nothing else of the manager's environment reaches an engine: no secret does.
_NEEDED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


def engine_environment() -> dict[str, str]:
    """The environment that engines run as local processes inherit."""
    return {"PYTHONUNBUFFERED": "1", **{key: os.environ[key] for key in _NEEDED if key in os.environ}}
