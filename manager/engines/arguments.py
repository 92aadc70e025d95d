"""The allow-list of an engine's arguments: flag -> type and range, and the flags that come of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contract.catalogue import ArgumentValue


@dataclass(frozen=True)
class ArgumentRule:
    """What one flag may be given. Bounds hold for numbers; a string is one of `choices`, or else like `pattern`.

    `example` is a string that the pattern allows, for those whose own it refuses.
    """

    kind: type[bool] | type[int] | type[float] | type[str]
    least: float = float("-inf")
    most: float = float("inf")
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""

    def problem(self, value: ArgumentValue) -> str | None:
        """What to write instead of `value`, or None where it is right."""
        # bool is a kind of int in Python, and 1 is no answer to a yes-or-no flag; a whole number is a number, too.
        kind = (int, float) if self.kind is float else self.kind
        if isinstance(value, bool) is not (self.kind is bool) or not isinstance(value, kind):
            return f"write a value of type {self.kind.__name__}"
        if isinstance(value, str):
            return self._problem_with_text(value)
        return None if self.least <= value <= self.most else f"write a number from {self.least:g} to {self.most:g}"

    def _problem_with_text(self, value: str) -> str | None:
        if self.pattern:
            return None if re.fullmatch(self.pattern, value) else f"write it like {self.example}"
        return None if value in self.choices else f"write one of {', '.join(self.choices)}"


def problem_with_values(key: str, values: Mapping[str, ArgumentValue], rules: Mapping[str, ArgumentRule]) -> str | None:
    """The first value under an entry's `key` that an engine's allow-list refuses, with the fix, or None."""
    for name, value in values.items():
        if name not in rules:
            return f"{key}.{name}: this engine does not allow it; it allows {', '.join(sorted(rules))}"
        problem = rules[name].problem(value)
        if problem is not None:
            return f"{key}.{name}: {value!r}: {problem}"
    return None


def as_flags(args: Mapping[str, ArgumentValue]) -> tuple[str, ...]:
    """Checked arguments -> argument list, in a fixed order. `True` is the bare flag, `False` its `--no-` form."""
    return tuple(word for flag in sorted(args) for word in _words(flag, args[flag]))


def _words(flag: str, value: ArgumentValue) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{flag}" if value else f"--no-{flag}"
        return
    yield f"--{flag}"
    yield str(value)
