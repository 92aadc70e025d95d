"""Compiles the listed modules of a tree where they are, with mypyc.

    python3 -m images.roundhouse.compile TREE

Beside each module there is then a library, which Python prefers, and at the root one with the code of all. The modules
themselves stay: the libraries are of this Python and this machine's kind only. Needs what compiler.txt names, a C
compiler, Python's headers, and the packages whose types our modules use.
"""

import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from mypyc.build import mypycify
from setuptools import setup

from images.roundhouse.sources import compiled


def compile_in_place(tree: Path) -> None:
    """mypyc names the modules by their paths from the folder that it runs in."""
    with TemporaryDirectory() as scratch, chdir(tree):
        options = ["--config-file=pyproject.toml", f"--cache-dir={scratch}/types"]
        # One C file for each module: a single one would take the C compiler gigabytes of memory.
        extensions = mypycify(
            [*options, *compiled()], opt_level="2", debug_level="0", multi_file=True, target_dir=f"{scratch}/code"
        )
        build = ["build_ext", "--inplace", f"--build-temp={scratch}/objects", f"--build-lib={scratch}/libraries"]
        setup(script_args=["--quiet", *build], ext_modules=extensions)


if __name__ == "__main__":
    compile_in_place(Path(sys.argv[1]).resolve())
