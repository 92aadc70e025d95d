"""The plot: two rows of bars, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, BAR, STEP, TOP = 760, 210, 440, 26, 64
CLIP = 1.6  # a bar that many times as long as the next is cut off: its number says the rest

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px }
.small { font-size: 12px; fill: #59636e } .bar { fill: #8c959f } .ours { fill: #1a7f37 }
.cut { stroke: #ffffff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 } .bar { fill: #656c76 } .ours { fill: #3fb950 }
  .cut { stroke: #0d1117 } }"""


@dataclass(frozen=True)
class Bar:
    """One value, and its words; `is_ours` is drawn in the colour."""

    label: str
    value: float
    told: str
    is_ours: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars on one scale from zero."""

    title: str
    note: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return TOP + STEP * len(self.bars)

    def draw(self, top: int) -> list[str]:
        """SVG elements, the panel's upper edge at `top`."""
        full = scale_of([bar.value for bar in self.bars])
        lines = [
            f'<text class="title" x="12" y="{top + 24}">{escape(self.title)}</text>',
            f'<text class="small" x="12" y="{top + 43}">{escape(self.note)}</text>',
        ]
        for number, bar in enumerate(self.bars):
            lines += _draw_bar(bar, top + TOP + STEP * number, full)
        return lines


def scale_of(values: Sequence[float]) -> float:
    """The value of a full bar: the largest, or less where it would leave nothing of the others to be seen."""
    *others, largest = sorted(values)
    return min(largest, others[-1] * CLIP) if others else largest


def _draw_bar(bar: Bar, y: int, full: float) -> list[str]:
    length = BAR * min(bar.value / full, 1.0)
    kind = "ours" if bar.is_ours else "bar"
    lines = [
        f'<text x="{LABEL - 10}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{max(length, 1):.1f}" height="18" rx="2"/>',
        f'<text x="{LABEL + length + 8:.0f}" y="{y + 14}">{escape(bar.told)}</text>',
    ]
    if bar.value > full:
        lines.append(f'<path class="cut" d="M{LABEL + BAR - 26} {y + 21} l10 -24"/>')
    return lines


def draw(panels: Sequence[Panel], description: str) -> str:
    """The whole picture, readable on a light and on a dark page."""
    height = sum(panel.height for panel in panels) + 12
    lines, top = [], 0
    for panel in panels:
        lines += panel.draw(top)
        top += panel.height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
    parts = [head, f"<title>{escape(description)}</title>", f"<style>{STYLE}</style>", *lines, "</svg>"]
    return "\n".join(parts) + "\n"
