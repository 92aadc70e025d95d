"""Runs the measuring scripts with the engine's own Python, as a user would, and reads the tables they print."""

from dataclasses import dataclass

from tests.images.warm import engine_python
from tests.images.warm.engine_python import ROOT

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
    done = engine_python.run(f"images.diffusers.shapes.{script}", *arguments, seconds=280)
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    return Measured(done.status, done.stdout)
