"""What earlier runs of an engine taught: how long it loads and wakes, and how much memory it takes.

Kept in a file across restarts of the manager. They are estimates that the next runs correct: where they cannot be
written or read, the manager goes on without.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

log = logging.getLogger(__name__)

WEIGHT = 0.5  # of a new duration against what was known
MOST_CHANGE = 2.0  # a new duration counts as at most so many times as long or as short as what was known
MOST_KEYS = 2000

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Lessons:
    """Of one model on one kind of place. Durations are None before the first; memory is bytes on each device.

    `peak` is the most that it took, `residue` what it last kept while asleep.
    """

    start_seconds: Seconds | None = None
    wake_seconds: Seconds | None = None
    peak: Bytes = 0
    residue: Bytes = 0

    def after_start(self, seconds: float) -> "Lessons":
        """With one more start, of so many seconds."""
        return replace(self, start_seconds=_smoothed(self.start_seconds, seconds))

    def after_wake(self, seconds: float) -> "Lessons":
        """With one more waking, of so many seconds."""
        return replace(self, wake_seconds=_smoothed(self.wake_seconds, seconds))

    def with_peak(self, amount: int) -> "Lessons":
        """With a use that was seen."""
        return replace(self, peak=max(self.peak, amount))

    def with_residue(self, amount: int) -> "Lessons":
        """With what was seen to stay on a device while asleep: an estimate, so the latest is the best."""
        return replace(self, residue=amount)


def _smoothed(known: float | None, new: float) -> float:
    """One odd duration moves what is known by a half at most; several that agree move it to theirs."""
    if not known:
        return max(0.0, new)
    believed = min(max(new, known / MOST_CHANGE), known * MOST_CHANGE)
    return known + WEIGHT * (believed - known)


class _Page(BaseModel):
    """The file's content. Another version is another file: it is not read."""

    version: Literal[1]
    lessons: dict[str, Lessons] = {}


class LessonBook:
    """The lessons of all models, read once and written whole or not at all. It has one owner."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lessons = _read(file)
        self._is_told = False

    def __repr__(self) -> str:
        return f"<LessonBook {self._file}: {len(self._lessons)} lessons>"

    def of(self, key: str) -> Lessons:
        """What is known, which may be nothing."""
        return self._lessons.get(key, Lessons())

    def keep(self, key: str, lessons: Lessons) -> None:
        """Writes a file where something is new. A disk that refuses it costs the lesson at the next start only."""
        if self._lessons.get(key) == lessons:
            return
        self._lessons.pop(key, None)
        self._lessons[key] = lessons
        while len(self._lessons) > MOST_KEYS:  # the longest unchanged goes
            del self._lessons[next(iter(self._lessons))]
        self._write()

    def _write(self) -> None:
        new = self._file.with_name(self._file.name + ".new")
        text = _Page(version=1, lessons=self._lessons).model_dump_json(exclude_none=True)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text)
            new.replace(self._file)
            self._is_told = False
        except OSError as error:
            if not self._is_told:
                log.warning("what was learned of engines cannot be kept: %s", error)
            self._is_told = True


def _read(file: Path) -> dict[str, Lessons]:
    try:
        return _Page.model_validate_json(file.read_bytes()).lessons
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("what was learned of engines cannot be read: %s", error)
    except ValidationError as error:
        _set_aside(file, error)
    return {}


def _set_aside(file: Path, error: ValidationError) -> None:
    aside = file.with_name(file.name + ".broken")
    log.warning("%s is broken and begun anew; it is kept as %s: %s", file, aside.name, error)
    try:
        file.replace(aside)
    except OSError as refused:
        log.warning("%s cannot be set aside: %s", file, refused)
