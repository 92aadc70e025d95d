"""Which modules are compiled, and all that mypy reads to compile them: they, and what they import of ours.

    python3 -m images.roundhouse.sources TREE FOLDER

copies those files of a tree into a folder. The image's build compiles that folder, and so not again when another file
has changed.
"""

import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

LIST = Path(__file__).with_name("compiled.txt")


def compiled() -> list[str]:
    """Paths from the root of a tree."""
    return LIST.read_text(encoding="ascii").split()


def needed(tree: Path) -> list[Path]:
    """The modules of the list and whatever they import, directly or not."""
    found: set[Path] = set()
    left = [tree / name for name in compiled()]
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += _imported(file, tree)
    return sorted(found)


def _imported(file: Path, tree: Path) -> list[Path]:
    own = ".".join(file.relative_to(tree).with_suffix("").parts)
    names = {own, *_names(ast.parse(file.read_text(encoding="utf-8")))}
    return [found for name in names for package in _with_packages(name) if (found := _file_of(package, tree))]


def _names(module: ast.Module) -> Iterator[str]:
    """Of `from a import b`, both a and a.b: b may be a module."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _with_packages(name: str) -> list[str]:
    """a.b.c -> a, a.b, a.b.c"""
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _file_of(name: str, tree: Path) -> Path | None:
    """None where it is not ours, or no module."""
    path = tree / name.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def copy(tree: Path, folder: Path) -> None:
    for file in needed(tree):
        target = folder / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
