"""What the tests read of a Markdown document."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
_ROW = re.compile(r"^\| (.+?) \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language and its text."""

    language: str
    text: str


def blocks_of(document: Path, language: str) -> tuple[Block, ...]:
    found = (Block(*match.groups()) for match in _BLOCK.finditer(document.read_text()))
    return tuple(block for block in found if block.language == language)


def links_of(document: Path) -> tuple[str, ...]:
    return tuple(link for link in _LINK.findall(document.read_text()) if "://" not in link)


def section_of(document: Path, title: str) -> str:
    """The text under a second-level heading."""
    return document.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(section: str) -> tuple[str, ...]:
    """The words in backquotes in the first column of a section's tables."""
    return tuple(word for cell in _ROW.findall(section) for word in re.findall(r"`([^`]+)`", cell))
