"""The engine's command line, parsed once into a value. Nothing is read from the environment."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MIB = 2**20

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class Knobs(BaseModel):
    """How an answer is made, and what goes wrong with it. A request may say otherwise, where the engine allows it.

    `tokens` None is as many as the prompt has words; a rate of 0 is as fast as it can. `*_after_tokens` counts the
    tokens of one answer, or the steps of one request for pictures; None is never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tokens: Count | None = None
    tokens_per_second: Annotated[float, Field(ge=0, le=1_000_000)] = 50.0
    step_seconds: Seconds = 0.05
    die_after_tokens: Count | None = None
    hang_after_tokens: Count | None = None
    garbage: bool = False


@dataclass(frozen=True)
class Settings:
    """What the engine was started with. Times are seconds; None is never."""

    served_model_name: tuple[str, ...]
    types: frozenset[str]
    knobs: Knobs
    knobs_in_requests: bool
    load_seconds: float
    resident_mib: int
    sleep_seconds: float
    wake_seconds: float
    slots: int
    die_at_load: bool
    die_after_seconds: float | None
    fail_sleep: bool
    fail_wake: bool
    hang_metrics_after_seconds: float | None
    ignore_sigterm: bool
    host: str
    port: int


def read(arguments: Sequence[str]) -> Settings:
    """The settings of a command line; one that cannot be read ends the process with the reason on stderr."""
    given = vars(_parser().parse_args(arguments))
    knobs = {name: given.pop(name) for name in Knobs.model_fields}
    return Settings(**given | {"knobs": Knobs(**knobs), "served_model_name": tuple(given["served_model_name"])})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="images.mock.server", allow_abbrev=False)
    parser.add_argument("--served-model-name", nargs="+", required=True, metavar="NAME", help="its name, then aliases")
    parser.add_argument("--types", type=_types, default=frozenset({"text"}), help="text, image, edit; with commas")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    _work(parser)
    _life(parser)
    _faults(parser)
    return parser


def _work(parser: argparse.ArgumentParser) -> None:
    default = Knobs()
    parser.add_argument("--tokens", type=int, help="of an answer; else as many as the prompt has words")
    parser.add_argument("--tokens-per-second", type=float, default=default.tokens_per_second, help="0: at once")
    parser.add_argument("--step-seconds", type=float, default=default.step_seconds, help="of a picture")
    parser.add_argument("--slots", type=int, default=256, help="requests at once; others wait")
    parser.add_argument("--knobs-in-requests", action=_YES_OR_NO, default=False, help='obey {"mock": {...}}')


def _life(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--load-seconds", type=float, default=0.0)
    parser.add_argument("--sleep-seconds", type=float, default=0.0)
    parser.add_argument("--wake-seconds", type=float, default=0.0)
    parser.add_argument("--resident-mib", type=int, default=0, help="memory that is really taken while awake")


def _faults(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--die-after-seconds", type=float, help="of serving")
    parser.add_argument("--hang-metrics-after-seconds", type=float, help="of serving: /metrics answers no more")
    parser.add_argument("--die-after-tokens", type=int, help="of one answer")
    parser.add_argument("--hang-after-tokens", type=int, help="of one answer: the whole engine stands still")
    for flag in ("die-at-load", "fail-sleep", "fail-wake", "garbage", "ignore-sigterm"):
        parser.add_argument(f"--{flag}", action=_YES_OR_NO, default=False)


_YES_OR_NO = argparse.BooleanOptionalAction


def _types(text: str) -> frozenset[str]:
    types = frozenset(text.split(","))
    if not types <= {"text", "image", "edit"}:
        raise argparse.ArgumentTypeError("write some of text, image, edit, with commas between")
    return types
