"""A picture in a terminal: each character is an upper half block, and shows two pixels one above the other.

The colours go to the console as 24 bit; it makes of them what the terminal has.
"""

from pathlib import Path

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

HALF_BLOCK = "\u2580"
WIDEST = 64
COLOURFUL = frozenset({"256", "truecolor"})


def can_show(console: Console) -> bool:
    """Whether people see the picture: a terminal with its colours, which has the character."""
    return console.is_terminal and console.color_system in COLOURFUL and console.encoding.lower().startswith("utf")


def picture_text(file: Path, width: int) -> Text:
    """The picture, at most `width` and 64 characters wide, its proportions kept."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    across = min(width, WIDEST, image.width)
    rows = max(1, round(image.height * across / image.width / 2))
    data = image.resize((across, rows * 2)).tobytes()
    text = Text()
    for row in range(rows):
        for column in range(across):
            text.append(
                HALF_BLOCK,
                Style(color=_at(data, across, 2 * row, column), bgcolor=_at(data, across, 2 * row + 1, column)),
            )
        text.append("\n")
    return text


def _at(data: bytes, across: int, row: int, column: int) -> Color:
    start = 3 * (row * across + column)
    return Color.from_rgb(*data[start : start + 3])
