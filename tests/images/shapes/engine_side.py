"""Runs the measuring scripts with the engine's own Python, as a user would, and reads the tables they print."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".engines" / "diffusers" / "bin" / "python"
WEIGHTS = ROOT / "images" / "diffusers" / "shapes" / "weights"


@dataclass(frozen=True)
class Measured:
    """A script's exit status and what it printed."""

    status: int
    printed: str

    def row(self, name: str) -> list[float]:
        """The figures of the table row that begins with `name`."""
        lines = [line for line in self.printed.splitlines() if line.startswith(f"| {name} |")]
        assert len(lines) == 1, self.printed
        cells = lines[0].strip("|").split("|")[1:]
        return [float(cell.replace("%", "")) for cell in cells]


def measure(script: str, *arguments: str) -> Measured:
    """Run `images.diffusers.shapes.<script>`; a traceback fails the test with its text."""
    done = subprocess.run(
        [PYTHON, "-m", f"images.diffusers.shapes.{script}", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    return Measured(done.returncode, done.stdout)
