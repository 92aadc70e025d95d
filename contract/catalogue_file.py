"""Reading `models.json`: text -> catalogue, or every problem with its key, its value and its fix."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from contract.catalogue import NAME, Catalogue, ModelEntry, ModelType

MAXIMUM_BYTES = 4 * 2**20
SCHEMA_KEY = "$schema"  # editors find the published JSON Schema by it


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the file: where, what stands there, and what to write instead."""

    key: str
    value: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value}: {self.fix}"


class CatalogueError(ValueError):
    """The file is refused; the running catalogue stays."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("models.json: " + "; ".join(map(str, problems)))
        self.problems = problems


def parse_catalogue(data: bytes) -> Catalogue:
    """The bytes of a `models.json` -> its catalogue. Raises CatalogueError."""
    entries = _read_object(data)
    entries.pop(SCHEMA_KEY, None)
    problems: list[Problem] = []
    models: dict[str, ModelEntry] = {}
    for name, raw in entries.items():
        if not re.fullmatch(NAME, name):
            problems.append(Problem(name, "this name", "use letters, digits, '.', '_' and '-', 64 at most"))
            continue
        try:
            models[name] = ModelEntry.model_validate(raw)
        except ValidationError as error:
            problems += _explain(name, error)
    problems += _taken_twice(models)
    problems += _wrong_keyframes(models)
    if problems:
        raise CatalogueError(tuple(problems))
    return Catalogue(models=models)


def _taken_twice(models: Mapping[str, ModelEntry]) -> Iterator[Problem]:
    """Names, containers and defaults that a second model claims."""
    owners: dict[str, str] = {f"the name '{name}'": name for name in models}
    for name, entry in models.items():
        for key, claim in _claims(entry):
            owner = owners.setdefault(claim, name)
            if owner != name:
                yield Problem(f"{name}.{key}", claim, f"taken by {owner}; give each its own")


def _wrong_keyframes(models: Mapping[str, ModelEntry]) -> Iterator[Problem]:
    """Keyframes that name no image model of this file."""
    for name, entry in models.items():
        painter = models.get(entry.keyframe) if entry.keyframe is not None else None
        if entry.keyframe is not None and (painter is None or ModelType.IMAGE not in painter.type):
            yield Problem(f"{name}.keyframe", repr(entry.keyframe), "name a model of type image, by its own name")


def _claims(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    """What only one model may have: the key, and the claim in words."""
    yield from (("aliases", f"the name '{alias}'") for alias in entry.aliases)
    yield from (("default_for", f"the default for '{kind}'") for kind in entry.default_for)
    if entry.container is not None:
        yield "container", f"the container '{entry.container}'"


def _read_object(data: bytes) -> dict[str, object]:
    if len(data) > MAXIMUM_BYTES:
        raise CatalogueError((Problem("the file", f"{len(data)} bytes", f"keep it under {MAXIMUM_BYTES} bytes"),))
    try:
        # A byte order mark is what Windows' editors write; it carries nothing.
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise CatalogueError((Problem("the file", "not valid JSON", str(error)),)) from error
    if not isinstance(document, dict):
        raise CatalogueError((Problem("the file", type(document).__name__, "write an object, one key per model"),))
    return document


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key '{twice}' stands twice; keep one")
    return found


def _explain(name: str, error: ValidationError) -> list[Problem]:
    return [
        Problem(
            ".".join(map(str, filter(None, (name, *detail["loc"])))) or "the file",
            "missing" if detail["type"] == "missing" else _shown(detail["input"]),
            _fix(detail["type"], detail["msg"]),
        )
        for detail in error.errors(include_url=False)
    ]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fix(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"no such key; the keys are {', '.join(ModelEntry.model_fields)}"
    return message.removeprefix("Value error, ")
