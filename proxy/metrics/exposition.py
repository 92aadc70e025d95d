"""Prometheus' text form, version 0.0.4."""

from collections.abc import Iterable, Mapping

from proxy.metrics.histogram import Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
NO_LABELS: Labels = {}


class Exposition:
    """A text that families are added to, each once and whole."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._family(name, "gauge", help_text)
        self._lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in samples]

    def counter(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """`name` ends in `_total`."""
        self._family(name, "counter", help_text)
        self._lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in samples]

    def histogram(self, name: str, help_text: str, samples: Iterable[tuple[Labels, Histogram]]) -> None:
        self._family(name, "histogram", help_text)
        for labels, histogram in samples:
            braced = _braced(labels)
            inside = f"{braced[1:-1]}," if braced else ""
            buckets = histogram.cumulative()
            self._lines += [f'{name}_bucket{{{inside}le="{bound}"}} {count}' for bound, count in buckets]
            self._lines.append(f"{name}_sum{braced} {_number(histogram.total)}")
            self._lines.append(f"{name}_count{braced} {histogram.count}")

    def encode(self) -> bytes:
        return ("\n".join(self._lines) + "\n").encode()

    def _family(self, name: str, kind: str, help_text: str) -> None:
        self._lines += (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}")


def _braced(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
