"""`python -m tests.images.tiny FOLDER [NAME ...]`: build tiny pipelines, or all, each in its own folder.

Without arguments: the names there are.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import tests.images.tiny as package

Builder = Callable[[Path], None]


def builders() -> Mapping[str, Builder]:
    table: dict[str, Builder] = {}
    for found in pkgutil.iter_modules(package.__path__):
        if found.name == "__main__":
            continue
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        for name, build in getattr(module, "BUILDERS", {}).items():
            if name in table:
                raise ValueError(f"two builders are called {name}")
            table[name] = build
    return table


def main(arguments: list[str]) -> int:
    table = builders()
    if not arguments:
        print("\n".join(sorted(table)))
        return 0
    folder = Path(arguments[0])
    torch.set_num_threads(1)
    for name in arguments[1:] or sorted(table):
        torch.manual_seed(0)  # a model is the same whatever was built before it
        table[name](folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
