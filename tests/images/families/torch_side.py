"""Facts that only the engine's own Python can find out: it has torch, PyAV and the tiny models."""

import json
from collections.abc import Mapping
from typing import Any

from tests.images.warm import engine_python

SECONDS = 280

Facts = Mapping[str, Any]


def probe(name: str, *arguments: str | bytes) -> Facts:
    """What `tests.images.families.probes.<name>` prints. Bytes are its standard input."""
    words = [argument for argument in arguments if isinstance(argument, str)]
    given = b"".join(argument for argument in arguments if isinstance(argument, bytes))
    done = engine_python.run(f"tests.images.families.probes.{name}", *words, stdin=given, seconds=SECONDS)
    assert done.status == 0, done.stderr[-4000:]
    facts: Facts = json.loads(done.stdout)
    return facts
