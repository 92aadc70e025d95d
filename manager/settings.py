"""Where the manager finds things and how long it waits. The environment is read here and nowhere else.

Every field is `ROUNDHOUSE_` and its name in capitals, e.g. `ROUNDHOUSE_MODELS_DIR`.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.sizes import ByteCount

# The hub's own client reads these paths so.
Expanded = Annotated[Path, AfterValidator(lambda path: Path(os.path.expandvars(path.expanduser())))]

_CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class ManagerSettings(BaseSettings):
    """Frozen once read. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_", frozen=True, extra="ignore", env_ignore_empty=True)

    manager_host: str = "127.0.0.1"
    manager_port: int = Field(8090, ge=0, le=65535)
    instance: str = Field("roundhouse", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    runtime: Literal["docker", "process"] = "process"
    catalogue: Path = Path("models.json")
    models_dir: Path = Path("models")
    hub_dir: Path | None = None  # in place of HF_HOME, and before HF_HUB_CACHE; the cache is the folder `hub` in it
    run_dir: Path = Path("run")
    engines_dir: Path = Path(".engines")
    token_file: Path = Path("run/token")
    # What users of the hub have set already means here what it means everywhere.
    hf_home: Expanded = Field(default_factory=lambda: _CACHES / "huggingface", validation_alias="HF_HOME")
    hf_hub_cache: Expanded | None = Field(None, validation_alias=AliasChoices("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"))
    hf_token_path: Expanded | None = Field(None, validation_alias="HF_TOKEN_PATH")
    hub_token: str | None = Field(None, validation_alias="HF_TOKEN", repr=False)
    hub_endpoint: str | None = Field(None, validation_alias="HF_ENDPOINT")
    hub_offline: bool = Field(False, validation_alias=AliasChoices("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))

    # What every program that sends traces is told by; other standard variables of OpenTelemetry hold, too.
    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    otlp_service: str = Field("roundhouse-manager", validation_alias="OTEL_SERVICE_NAME")

    memory_reserve: ByteCount = 2 * 2**30  # host memory that engines never get
    gpu_memory_reserve: ByteCount = 2**29  # the same on each GPU
    memory_budget: dict[str, ByteCount] = {}  # the most that engines may have in all, by device id
    sleep_memory: ByteCount | None = None  # host memory for models asleep; None: a quarter of the host's
    idle_timeout: float = Field(1800, ge=0)  # for entries that say nothing; 0: never
    asleep_timeout: float = Field(21_600, ge=0)  # for entries that say nothing; 0: never
    leases_per_model: int = Field(1000, ge=1)  # that may be open at once
    memory_patience: float = 20  # how long a model waits for memory that only others can give back
    catalogue_poll: float = Field(1, gt=0)
    drain_text: float = 120
    drain_media: float = 900
    stop_grace: float = 30
    probe_timeout: float = 5
    fair_share: float = 30  # a model that was waited for stays ready at least this long
    settle: float = 10  # after a start of the manager nothing is evicted for this long
    shutdown_drain: float = 5

    @property
    def traces_to(self) -> str | None:
        """Where spans are sent, by OTLP over HTTP; None: nowhere, and none are made."""
        base = self.otlp_endpoint.rstrip("/") + "/v1/traces" if self.otlp_endpoint else None
        return self.otlp_traces_endpoint or base

    @property
    def engine_traces_to(self) -> str | None:
        """Where engines send theirs: to the same, but from containers, whose networks lead nowhere."""
        return self.traces_to if self.runtime == "process" else None

    @property
    def logs_dir(self) -> Path:
        return self.run_dir / "logs"

    @property
    def manifests_dir(self) -> Path:
        """What weights were verified to hold."""
        return self.run_dir / "manifests"

    @property
    def hub_cache(self) -> Path:
        """The hub's cache itself: all of the hub's that engines see."""
        if self.hub_dir is not None:
            return self.hub_dir / "hub"
        return self.hf_hub_cache or self.hf_home / "hub"


def fetch_environment(settings: ManagerSettings) -> dict[str, str]:
    """The environment of the program that fetches weights: the only one that is given the hub's token."""
    chosen = {"HF_HUB_DISABLE_TELEMETRY": "1"}
    given = {
        "HF_TOKEN": settings.hub_token,
        # Where `hf auth login` left one. The manager itself never reads it.
        "HF_TOKEN_PATH": str(settings.hf_token_path or settings.hf_home / "token"),
        "HF_ENDPOINT": settings.hub_endpoint,
    }
    trust = {key: os.environ[key] for key in _TRUST if key in os.environ}
    return {**engine_environment(), **trust, **chosen, **{key: value for key, value in given.items() if value}}


# Where a company's own certificates are, and the way out of its network.
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
# What a program needs to run at all. Nothing else of the manager's environment reaches an engine: no secret does.
_NEEDED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


def engine_environment() -> dict[str, str]:
    """The environment that engines run as local processes inherit."""
    return {"PYTHONUNBUFFERED": "1", **{key: os.environ[key] for key in _NEEDED if key in os.environ}}
