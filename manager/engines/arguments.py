"""The allow-list of an engine's arguments: flag -> type and range, and the flags that come of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contract.catalogue import ArgumentValue


@dataclass(frozen=True)
class ArgumentRule:
    """What one flag may be given. Bounds hold for numbers, choices for strings."""

    kind: type[bool] | type[int] | type[float] | type[str]
    least: float = float("-inf")
    most: float = float("inf")
    choices: tuple[str, ...] = ()

    def problem(self, value: ArgumentValue) -> str | None:
        """What to write instead of `value`, or None where it is right."""
        # bool is a kind of int in Python, and 1 is no answer to a yes-or-no flag.
        if isinstance(value, bool) is not (self.kind is bool) or not isinstance(value, self.kind):
            return f"write a value of type {self.kind.__name__}"
        if isinstance(value, str):
            return None if value in self.choices else f"write one of {', '.join(self.choices)}"
        return None if self.least <= value <= self.most else f"write a number from {self.least:g} to {self.most:g}"


def problem_with_arguments(
    engine: str, args: Mapping[str, ArgumentValue], rules: Mapping[str, ArgumentRule]
) -> str | None:
    """The first argument that an engine's allow-list refuses, with the fix, or None."""
    for flag, value in args.items():
        if flag not in rules:
            return f"args.{flag}: not allowed for {engine}; allowed are {', '.join(sorted(rules))}"
        problem = rules[flag].problem(value)
        if problem is not None:
            return f"args.{flag}: {value!r}: {problem}"
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
