"""Prometheus' text form read back, strictly: a line that is none fails."""

import re
from dataclasses import dataclass, field
from typing import Self

_HEAD = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(?:,|$)')

Labels = frozenset[tuple[str, str]]


@dataclass
class Scrape:
    """`kinds`: family -> its type. `samples`: name -> labels -> value."""

    kinds: dict[str, str] = field(default_factory=dict)
    samples: dict[str, dict[Labels, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, body: bytes) -> Self:
        scrape = cls()
        text = body.decode()
        assert text.endswith("\n")
        for line in text.splitlines():
            scrape._take(line)
        return scrape

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        wanted = set(labels.items())
        return sum(value for found, value in self.samples.get(name, {}).items() if wanted <= found)

    def labels(self, name: str) -> set[str]:
        """Every value of the label, in every sample."""
        return {value for found in self.samples.values() for each in found for label, value in each if label == name}

    def _take(self, line: str) -> None:
        if line.startswith("#") and not line.startswith(("# HELP", "# TYPE")):
            return  # a comment
        if line.startswith("#"):
            head = _HEAD.fullmatch(line)
            assert head is not None, line
            if head[1] == "TYPE":
                assert head[2] not in self.kinds, f"{head[2]} is declared twice"
                self.kinds[head[2]] = head[3]
            return
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        inside = sample[2] or ""
        labels = _LABEL.findall(inside)
        assert sum(len(found[0]) for found in _LABEL.finditer(inside)) == len(inside), line
        family = self.samples.setdefault(sample[1], {})
        key = frozenset(labels)
        assert key not in family, f"{line} stands twice"
        assert re.sub("_(bucket|sum|count)$", "", sample[1]) in self.kinds or sample[1] in self.kinds, line
        family[key] = float(sample[3])
