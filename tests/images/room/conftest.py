"""Probes run on the engine's own Python, which has torch; the tests here judge the facts that they print."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.images.server import tiny_models
from tests.images.warm import engine_python

SECONDS = 600
COLD = frozenset({"resting"})  # which looks at the memory of its process

Facts = Mapping[str, Any]


def _run(name: str, *arguments: str) -> str:
    run = engine_python.run_cold if name in COLD else engine_python.run
    done = run("tests.images.room.probes", name, *arguments, seconds=SECONDS)
    assert done.status == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Facts]:
    """`probe(name, model)`: what the probe of that name found about a tiny model; each is run once."""

    @cache
    def facts(name: str, of: str) -> Facts:
        found: Facts = json.loads(_run(name, str(tiny_models() / of), str(tmp_path_factory.mktemp(name))))
        return found

    return facts
