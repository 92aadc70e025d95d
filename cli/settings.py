"""Where the stack is and how it is reached. The environment is read here and nowhere else.

Every field is `ROUNDHOUSE_` and its name in capitals, from the environment or from the file `.env` at the top of the
repository, which docker compose reads too.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

Runtime = Literal["docker", "process"]

REPOSITORY = Path(__file__).resolve().parent.parent
ENV_FILE = REPOSITORY / ".env"


class CliSettings(BaseSettings):
    """Frozen once read. Relative folders are taken from the top of the repository; times are seconds."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_", env_file=ENV_FILE, frozen=True, extra="ignore")

    url: str | None = None
    api_key: str | None = Field(None, repr=False)
    key_file: Path | None = None
    runtime: Runtime | None = None
    instance: str = Field("roundhouse", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    port: int = Field(
        8080, ge=1, le=65535, validation_alias=AliasChoices("ROUNDHOUSE_PORT", "ROUNDHOUSE_PROXY_PORT", "port")
    )
    publish: str = "127.0.0.1"
    manager_port: int = Field(8090, ge=1, le=65535)
    run_dir: Path = Path("run")
    catalogue: Path = Path("models.json")
    models_dir: Path = Path("models")
    engines_dir: Path = Path(".engines")
    start_deadline: float = 60  # manager and proxy, from their start to a healthy answer
    stop_grace: float = 60  # the manager stops its engines in this time
    answer_deadline: float = 1200  # the closing question, loading included
    python_image: str | None = None  # the base of the images that are built; None: the Dockerfile's own
    cuda_image: str | None = None  # the same for those that use a GPU

    @property
    def base_url(self) -> str:
        """Where the proxy is asked: an address without a slash at its end."""
        return (self.url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def key(self) -> str | None:
        """The API key, or None where the proxy asks for none. Raises OSError when the key file cannot be read."""
        if self.api_key or self.key_file is None:
            return self.api_key
        return self.key_file.read_text().strip()

    def path(self, folder: Path) -> Path:
        """A folder of these settings, absolute."""
        return REPOSITORY / folder


def environment(**additions: str) -> dict[str, str]:
    """What a started program gets: this environment, under it the file `.env`, over both the additions."""
    file = DotEnvSettingsSource(CliSettings, env_file=ENV_FILE, case_sensitive=True)
    from_file = {name: value for name, value in file.env_vars.items() if value is not None}
    return {**from_file, **os.environ, **additions}


def without(names: Mapping[str, str], *dropped: str) -> dict[str, str]:
    """An environment less some variables."""
    return {name: value for name, value in names.items() if name not in dropped}
