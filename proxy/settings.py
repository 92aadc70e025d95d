"""All that is set from outside: where, how much and how long. Read once, frozen."""

from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from proxy.access_log import LogForm
from proxy.artifacts.settings import StoreSettings
from proxy.gateway.limits import ConnectionLimits, ForwardLimits, LeaseLimits
from proxy.jobs.settings import JobSettings
from proxy.media.limits import MediaLimits
from proxy.postgres.settings import DatabaseSettings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Settings(StoreSettings, JobSettings, DatabaseSettings, BaseSettings):
    """Environment variables with the prefix ROUNDHOUSE_. Times are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_", frozen=True, extra="ignore", env_ignore_empty=True)

    proxy_host: str = "127.0.0.1"
    proxy_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    proxy_workers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="processes that share the port")
    worker_patience: Seconds = Field(60.0, description="of several, one that is silent for so long is ended")
    manager_url: str = "http://127.0.0.1:8090"
    token_file: Path = Path("run/token")
    published_at: str | None = Field(None, description="where the port is reached from; the listening host if unset")
    key_file: Path | None = Field(None, description="a file with the API key that callers must send")
    key_store: Path = Field(Path("run/keys.sqlite3"), description="the file of the keys that admins make")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field((), description="names, separated by commas")
    access_log: LogForm = Field("line", description="how a request is logged: for people, or as JSON")
    static_dir: Path = Path(__file__).resolve().parent.parent / "static"

    # What every program that sends traces is told by; other standard variables of OpenTelemetry hold, too.
    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    otlp_service: str = Field("roundhouse-proxy", validation_alias="OTEL_SERVICE_NAME")

    head_timeout: Seconds = 10.0
    head_size: Count = 64 * 2**10
    header_count: Count = 200
    url_size: Count = 8 * 2**10
    body_timeout: Seconds = 60.0
    body_size: Count = 64 * 2**20
    upload_size: Count = Field(64 * 2**20, description="a multipart form with its files")
    write_timeout: Seconds = 60.0
    keep_alive: Count = 75

    media_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="names, or names with a port, that media may be fetched from; * is every public name"
    )
    media_size: Count = Field(20 * 2**20, description="one picture or sound, as it was sent")
    media_pixels: Count = 40_000_000
    media_count: Count = Field(64, description="pictures, frames and sounds of one request")
    media_fetch: Seconds = 10.0

    video_event_size: Count = Field(512 * 2**20, description="an event of a stream holds a whole clip in base64")

    manager_wait: Seconds = Field(10.0, description="for a manager that was never reached")
    manager_absence: Seconds = Field(30.0, description="for a manager that went away while requests wait")
    model_wait: Seconds = Field(15 * 60.0, description="a request waits so long for its model")
    lease_linger: Seconds = 2.0
    waiting_limit: Count = Field(512, description="requests of one model that may wait, of each worker")
    in_flight_limit: Count = Field(1024, description="requests of one model that may run, of each worker")

    first_token: Seconds = 120.0
    between_tokens: Seconds = 60.0
    plain_answer: Seconds = 15 * 60.0
    answer_size: Count = 64 * 2**20
    event_size: Count = 16 * 2**20
    image_first_event: Seconds = Field(300.0, description="of a stream of pictures; ours sends comments meanwhile")
    image_between_events: Seconds = 120.0
    image_answer: Seconds = 15 * 60.0
    image_answer_size: Count = Field(256 * 2**20, description="ten pictures in base64")
    image_event_size: Count = Field(64 * 2**20, description="an event of a stream holds a whole one")
    engine_gone: Seconds = Field(5.0, description="a request that found no engine is offered again for so long")
    heartbeat_after: Seconds = 5.0
    heartbeat_every: Seconds = 10.0
    drain: Seconds = Field(120.0, description="after SIGTERM, what is in flight may finish within it")

    @field_validator("allowed_hosts", "media_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The names under which this proxy may be asked, lower case, without a port."""
        concrete = (name for name in (self.proxy_host, self.published_at) if name and not _is_every_address(name))
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *map(_in_brackets, concrete), *self.allowed_hosts))

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the proxy."""
        host = self.published_at or self.proxy_host
        return host == "localhost" or _is_loopback(host)

    @property
    def traces_to(self) -> str | None:
        """Where spans are sent, by OTLP over HTTP; None: nowhere, and none are made."""
        base = self.otlp_endpoint.rstrip("/") + "/v1/traces" if self.otlp_endpoint else None
        return self.otlp_traces_endpoint or base

    @property
    def connection_limits(self) -> ConnectionLimits:
        return ConnectionLimits(
            head=self.head_timeout,
            body=self.body_timeout,
            write=self.write_timeout,
            head_size=self.head_size,
            header_count=self.header_count,
            url_size=self.url_size,
        )

    @property
    def media_limits(self) -> MediaLimits:
        return MediaLimits(
            hosts=frozenset(map(str.lower, self.media_hosts)),
            size=self.media_size,
            pixels=self.media_pixels,
            count=self.media_count,
            fetch=self.media_fetch,
        )

    @property
    def job_file(self) -> Path:
        """The jobs, beside what they make."""
        return self.artifacts_dir / "jobs.sqlite3"

    @property
    def video_limits(self) -> ForwardLimits:
        return replace(self.image_limits, event_size=self.video_event_size)

    @property
    def lease_limits(self) -> LeaseLimits:
        return LeaseLimits(
            linger=self.lease_linger,
            wait=self.model_wait,
            absence=self.manager_absence,
            waiting=self.waiting_limit,
            in_flight=self.in_flight_limit,
        )

    @property
    def forward_limits(self) -> ForwardLimits:
        return ForwardLimits(
            first_token=self.first_token,
            between_tokens=self.between_tokens,
            plain=self.plain_answer,
            gone=self.engine_gone,
            heartbeat_after=self.heartbeat_after,
            heartbeat_every=self.heartbeat_every,
            answer_size=self.answer_size,
            event_size=self.event_size,
        )

    @property
    def image_limits(self) -> ForwardLimits:
        """A picture takes longer than a token, and is larger."""
        return replace(
            self.forward_limits,
            first_token=self.image_first_event,
            between_tokens=self.image_between_events,
            plain=self.image_answer,
            answer_size=self.image_answer_size,
            event_size=self.image_event_size,
            comments_count=True,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_every_address(host: str) -> bool:
    return host in {"0.0.0.0", "::"}


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host
