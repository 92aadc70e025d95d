"""`python -m tests.images.tiny NAME FOLDER`: build one tiny pipeline. Without arguments: the names there are."""

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
    name, folder = arguments
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table[name](Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
