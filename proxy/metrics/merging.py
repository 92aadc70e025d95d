"""What several workers tell of themselves, as one: texts of Prometheus' form -> one text.

Counts and sizes add up. What each of them sees of the same thing does not.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

Combine = Callable[[float, float], float]

SHARED: Mapping[str, Combine] = MappingProxyType(
    {
        "process_start_time_seconds": min,
        "roundhouse_device_memory_bytes": max,
        "roundhouse_draining": max,
        "roundhouse_lease_state": max,
        "roundhouse_manager_up": max,
        "roundhouse_model_loads_total": max,
        "roundhouse_model_state": max,
        "roundhouse_model_state_changes_total": max,
    }
)
NOTHING: Mapping[str, float] = MappingProxyType({})
LASTING = frozenset({"counter", "histogram"})


class Family:
    """One of a text's families. `samples`: a name with its labels -> the value."""

    def __init__(self, name: str, help_line: str) -> None:
        self.name = name
        self.kind = ""
        self.lines = [help_line]
        self.samples: dict[str, float] = {}

    def add(self, sample: str, value: float) -> None:
        """One more worker's."""
        there = self.samples.get(sample)
        combine = SHARED.get(self.name)
        if there is None:
            self.samples[sample] = value
        else:
            self.samples[sample] = there + value if combine is None else combine(there, value)


class Merging:
    """Texts that were added, as one."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    @property
    def common_counts(self) -> Mapping[str, float]:
        """What all workers count alike, each for itself and since it began: sample -> the count."""
        families = (family for family in self._families.values() if family.name in SHARED and family.kind == "counter")
        return {sample: value for family in families for sample, value in family.samples.items()}

    def add(self, text: bytes, before: Mapping[str, float] = NOTHING, *, only_lasting: bool = False) -> None:
        """A worker's text; of one that has died only what never shrinks. `before`: what was counted when it began."""
        family = Family("", "")
        for line in text.decode().splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                family = self._families.setdefault(name, Family(name, line))
            elif line.startswith("# TYPE "):
                self._learn_kind(family, line)
            elif not only_lasting or family.kind in LASTING:
                sample, _, value = line.rpartition(" ")
                family.add(sample, float(value) + before.get(sample, 0.0))

    def encode(self) -> bytes:
        """Their text, in the order in which the first told it."""
        return "".join(f"{line}\n" for line in self._lines()).encode()

    def _learn_kind(self, family: Family, line: str) -> None:
        if not family.kind:
            family.kind = line.rpartition(" ")[2]
            family.lines.append(line)

    def _lines(self) -> Iterable[str]:
        for family in self._families.values():
            yield from family.lines
            for sample, value in family.samples.items():
                yield f"{sample} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
