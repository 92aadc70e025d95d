"""Probes run on the engine's own Python, which has torch; the tests here judge the facts that they print."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.images.server import PYTHON, ROOT, tiny_models

SECONDS = 600

Facts = Mapping[str, Any]


def _run(*arguments: str) -> str:
    # One thread: the machine has other work, and tiny networks are no faster on two.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [PYTHON, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Facts]:
    """`probe(name, model)`: what the probe of that name found about a tiny model; each is run once."""

    @cache
    def facts(name: str, of: str) -> Facts:
        found: Facts = json.loads(
            _run("tests.images.room.probes", name, str(tiny_models() / of), str(tmp_path_factory.mktemp(name)))
        )
        return found

    return facts
