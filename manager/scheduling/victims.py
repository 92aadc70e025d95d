"""The choice of who goes: a pure function."""

from collections.abc import Iterable, Mapping

from manager.scheduling.stall import Stall

Frees = Mapping[str, Mapping[str, int]]
"""A model's name -> device -> bytes that come free there when it goes, 0 or more."""


def choose_victims(
    evictable: Iterable[Stall], frees: Frees, missing: Mapping[str, int], now: float
) -> tuple[Stall, ...] | None:
    """Who is to go so that on every device `missing` bytes come free; None if all together are not enough.

    Idle ones before busy ones, then by time unused over time to come back; and none that the others make superfluous.
    """
    still = dict(missing)
    victims: list[Stall] = []
    for stall in sorted(evictable, key=lambda each: (each.leases > 0, -_staleness(each, now), each.name)):
        victims.append(stall)
        _give(still, frees[stall.name])
        if all(amount <= 0 for amount in still.values()):
            return tuple(_needed(victims, frees, still))
    return None


def _needed(victims: list[Stall], frees: Frees, still: dict[str, int]) -> Iterable[Stall]:
    """The most worthy are spared first, as long as enough comes free without them."""
    needed = list(victims)
    for stall in reversed(victims):
        if all(still[device] + freed <= 0 for device, freed in frees[stall.name].items() if device in still):
            needed.remove(stall)
            _give(still, {device: -freed for device, freed in frees[stall.name].items()})
    return needed


def _give(missing: dict[str, int], freed: Mapping[str, int]) -> None:
    for device, amount in freed.items():
        if device in missing:
            missing[device] -= amount


def _staleness(stall: Stall, now: float) -> float:
    return (now - stall.last_used) / max(stall.comeback, 0.1)
