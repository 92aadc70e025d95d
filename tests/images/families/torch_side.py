"""Facts that only the engine's own Python can find out: it has torch, PyAV and the tiny models."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".engines" / "diffusers" / "bin" / "python"
SECONDS = 280

Facts = Mapping[str, Any]


def probe(name: str, *arguments: str | bytes) -> Facts:
    """What `tests.images.families.probes.<name>` prints. Bytes are its standard input."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    words = [argument for argument in arguments if isinstance(argument, str)]
    given = b"".join(argument for argument in arguments if isinstance(argument, bytes))
    done = subprocess.run(
        [PYTHON, "-m", f"tests.images.families.probes.{name}", *words],
        cwd=ROOT,
        env=environment,
        input=given,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    facts: Facts = json.loads(done.stdout)
    return facts
