"""The image of manager and proxy: its hot path is compiled, and nothing of the compiler is in it."""

import subprocess

import pytest

from images.roundhouse.sources import compiled
from tests.integration.stack import ROOT
from tests.integration.tiny import IMAGE

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

LOOK = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    print(import_module(name).__file__)
"""


def inside(*command: str) -> list[str]:
    """The lines that a program prints in a container of the image."""
    whole = ("docker", "run", "--rm", "--network", "none", "--read-only", IMAGE, *command)
    return subprocess.run(whole, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()


def test_every_module_of_the_list_is_loaded_from_its_library() -> None:
    files = inside("python3", "-c", LOOK, *(name.removesuffix(".py").replace("/", ".") for name in compiled()))
    assert [file for file in files if not file.endswith(".so")] == []
    assert [file.removeprefix("/app/").partition(".")[0] + ".py" for file in files] == compiled()


def test_nothing_of_the_compiler_is_in_the_image() -> None:
    look = "command -v gcc cc; find /opt/venv -maxdepth 4 -name 'mypy*'; find /app -name '*.c' -o -name '*.o'"
    assert inside("sh", "-c", f"{look}; true") == []


@pytest.mark.parametrize("command", ["manager", "proxy"])
def test_both_commands_load(command: str) -> None:
    assert inside("python3", "-c", f"import {command}.__main__ as main; print(main.__file__)") == [
        f"/app/{command}/__main__.py"
    ]
