"""What a device's memory says of each engine on it, since engines are measured only by differences. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from manager.fixed import Place
from manager.scheduling.stall import HOST

MOST_GROWTH = 1.5  # of what a model is booked with on a GPU: what is more than that, others have taken meanwhile


@dataclass
class Use:
    """What one model takes by device: `used` now, `base` when it had settled, both empty until it was measured.

    `settled_at` is None while it moves; `expected` is what it will probably take then. Where several were measured
    together, `group` are their names, and `doubt` is how much more than `used` may be this one's.
    """

    place: Place
    booked: int
    expected: int
    used: dict[str, int] = field(default_factory=dict)
    base: dict[str, int] = field(default_factory=dict)
    settled_at: float | None = None
    group: Set[str] = frozenset()
    doubt: dict[str, int] = field(default_factory=dict)


def ceiling(use: Use, device: str) -> int:
    """What of a device's memory is believed to be the model's. The host has too many others for more than is booked."""
    return use.booked if device == HOST else int(use.booked * MOST_GROWTH)


def split(unmeasured: Mapping[str, Use], device: str, amount: int) -> int:
    """What several that moved at once have taken cannot be told apart: each gets its part, as it was expected.

    What is more than they can have taken is not theirs: memory of an engine that ended may be late.
    """
    uses = tuple(unmeasured.values())
    nothing_expected = not any(use.expected for use in uses)
    weights = [use.expected + nothing_expected for use in uses]  # each the same where nothing is
    left = amount
    for place, use in enumerate(uses):
        part = left * weights[place] // max(1, sum(weights[place:]))
        left -= part
        use.used[device] = use.base[device] = min(part, ceiling(use, device))
        if len(uses) > 1:
            use.group |= unmeasured.keys()
            use.doubt[device] = min(amount, ceiling(use, device)) - use.used[device]
    return sum(use.used[device] for use in uses)


def clear_doubts(here: Mapping[str, Use], device: str, change: int) -> int:
    """Since those of unclear shares were measured, the device's use has changed by so much -> what of it is theirs.

    Of a group it is known what they take in all. So it shows what the last one takes when the others have left.
    """
    given = 0
    for name, use in here.items():
        if device in use.doubt:
            part = max(-use.used[device], min(change - given, use.doubt[device]))
            use.used[device] += part
            use.base[device] += part
            use.doubt[device] -= part
            given += part
            if here.keys().isdisjoint(use.group - {name}):
                del use.doubt[device]
    return given


def grow(busy: list[Use], device: str, amount: int) -> int:
    """What of a growth is the doing of the one model that is at work; all else is others'."""
    if len(busy) != 1:
        return 0
    use = busy[0]
    grown = max(0, min(amount, ceiling(use, device) - use.used[device]))
    use.used[device] += grown
    return grown


def shrink(uses: Iterable[Use], device: str, amount: int) -> int:
    """What of a decrease is given back by models that had grown since they settled."""
    given = 0
    for use in uses:
        part = min(amount - given, use.used[device] - use.base[device])
        use.used[device] -= part
        given += part
    return given
