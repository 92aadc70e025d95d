"""The catalogue: `models.json`, one key per model.

Manager and proxy parse it with the same class. A bad file is refused whole, with key, value and fix for each problem.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from contract.sizes import ByteCount

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
ALIAS = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"
DEVICE = r"^(cpu|cuda:[0-9]{1,2})$"
PRINTABLE = r"^[ -~]{0,1000}$"
_HUB_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_LOCAL_FOLDER = re.compile(r"\./[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95}){0,3}")


class ModelType(StrEnum):
    """What a model is for. It gives the default engine and the endpoints."""

    TEXT = "text"
    IMAGE = "image"
    EDIT = "edit"
    VIDEO = "video"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    AUDIO = "audio"
    TASK = "task"
    REMOTE = "remote"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Types = Annotated[
    tuple[ModelType, ...],
    BeforeValidator(_as_list),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [kind.value for kind in ModelType]},
                {"type": "array", "items": {"enum": [kind.value for kind in ModelType]}, "minItems": 1},
            ]
        }
    ),
]

ArgumentValue = bool | int | float | str


class Requires(BaseModel):
    """What the box must have at least; a box that lacks it says so and never tries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: int = Field(0, ge=0, le=64, description="NVIDIA GPUs")
    gpu_memory: ByteCount = Field(0, description="memory of each of those GPUs")
    memory: ByteCount = Field(0, description="host memory")


class ModelEntry(BaseModel):
    """One model: what it is for, where its weights are and what its engine is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    type: Types = Field(description="what the model is for: one type, or a list of types")
    container: str | None = Field(None, pattern=f"^{NAME}$", description="the container's name")
    port: int | None = Field(None, ge=1, le=65535, description="the port that the engine's server listens on")
    source: str | None = Field(
        None, description='a hub repository ("owner/name"), or a folder under the models folder ("./name")'
    )
    revision: str | None = Field(None, pattern=r"^[A-Za-z0-9_][\w./-]{0,99}$", description="the repository's revision")
    digest: str | None = Field(
        None, pattern=r"^sha256:[0-9a-f]{64}$", description="what the weights must be, as the manager's log names them"
    )
    engine: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,31}$", description="overrides the type's engine")
    args: dict[str, ArgumentValue] = Field({}, description="flag to value for the engine, from its allow-list")
    env: dict[str, Annotated[str, Field(pattern=PRINTABLE)]] = Field(
        {}, description="environment of the engine, from its allow-list"
    )
    memory: ByteCount | None = Field(None, description="device memory that the engine needs")
    devices: tuple[Annotated[str, Field(pattern=DEVICE)], ...] = Field(
        (), description='device ids, e.g. ["cuda:0"]; several: tensor parallel'
    )
    requires: Requires = Field(Requires(), description="what the box must have at least")
    idle_timeout: float | None = Field(
        None, ge=0, description="seconds without use until it sleeps or, where it cannot, is stopped; 0: never"
    )
    asleep_timeout: float | None = Field(None, ge=0, description="seconds asleep until it is stopped; 0: never")
    pin: bool = Field(False, description="never stopped to make room")
    preload: bool = Field(False, description="started with the manager")
    aliases: tuple[Annotated[str, Field(pattern=f"^{ALIAS}$")], ...] = Field((), description="other names")
    defaults: dict[str, ArgumentValue] = Field({}, description="request parameters used when absent")
    default_for: Types = Field((), description="types for which this model answers when a request names none")
    keyframe: str | None = Field(
        None, pattern=f"^{NAME}$", description="the image model that makes a picture for this video model to begin with"
    )

    @field_validator("type")
    @classmethod
    def _at_least_one_type(cls, value: tuple[ModelType, ...]) -> tuple[ModelType, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one type, each once")
        return value

    @field_validator("devices")
    @classmethod
    def _each_device_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or ("cpu" in value and len(value) > 1):
            raise ValueError("name each device once, and the CPU alone")
        return value

    @field_validator("source")
    @classmethod
    def _hub_or_folder(cls, value: str | None) -> str | None:
        if value is not None and not (_HUB_REPOSITORY.fullmatch(value) or _LOCAL_FOLDER.fullmatch(value)):
            raise ValueError('write a hub repository ("owner/name") or a folder under the models folder ("./name")')
        return value

    @model_validator(mode="after")
    def _default_only_for_own_types(self) -> Self:
        if not set(self.default_for) <= set(self.type):
            raise ValueError("default_for may only name types that the model has")
        return self

    @model_validator(mode="after")
    def _keyframe_only_for_videos(self) -> Self:
        if self.keyframe is not None and ModelType.VIDEO not in self.type:
            raise ValueError("keyframe is for models of type video; leave it out")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the weights are a folder under the models folder."""
        return self.source is not None and self.source.startswith("./")


class Catalogue(BaseModel):
    """All models by name. Aliases and defaults are resolved here, for manager and proxy alike."""

    model_config = ConfigDict(frozen=True)

    models: Mapping[str, ModelEntry]

    def resolve(self, name: str) -> str | None:
        """A model's name or alias -> its name, or None."""
        return name if name in self.models else self.by_alias.get(name)

    @cached_property
    def by_alias(self) -> Mapping[str, str]:
        pairs = {alias: name for name, entry in self.models.items() for alias in entry.aliases}
        return MappingProxyType(pairs)

    def default_for(self, kind: ModelType) -> str | None:
        """The model that answers for a type when a request names none, or None."""
        return next((name for name, entry in self.models.items() if kind in entry.default_for), None)
