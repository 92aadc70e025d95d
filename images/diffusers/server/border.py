"""The border of the worker's thread: what is raised behind it becomes a value; people are told, the engine lives."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def outcome(run: Callable[[], T]) -> T | Exception:
    """What `run` gives, or what it raised: a pipeline, and the libraries below it, may raise anything."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - returned, and told by who called
        return error
