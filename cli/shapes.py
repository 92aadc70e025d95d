"""The small image and video models of this repository, put where engines find models: the models folder."""

import shutil
import tempfile
from pathlib import Path

from cli.failures import Failure
from cli.settings import REPOSITORY, CliSettings
from cli.steps import Step

WEIGHTS = REPOSITORY / "images" / "diffusers" / "shapes" / "weights"
NAMES = ("shapes", "shapes-motion")


def prepare_shapes(step: Step, settings: CliSettings, weights: Path = WEIGHTS) -> None:
    """Copies each model unless its very files are there. Raises Failure where the repository lacks one."""
    models = settings.path(settings.models_dir)
    models.mkdir(parents=True, exist_ok=True)
    copied = [name for name in NAMES if _put(weights / name, models / name)]
    step.done(f"{' and '.join(copied)} copied" if copied else "are here")


def _put(source: Path, target: Path) -> bool:
    if not (source / "model_index.json").is_file():
        raise Failure(f"{source} holds no model", "The repository is damaged: clone it anew.")
    if _same(source, target):
        return False
    # Beside its final place, so that the folder appears at once and whole.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        copy = Path(scratch, "model")
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        _open_to_all(copy)
        shutil.rmtree(target, ignore_errors=True)
        copy.rename(target)
    return True


def _same(source: Path, target: Path) -> bool:
    files = {file.relative_to(source) for file in source.rglob("*") if file.is_file()}
    there = {file.relative_to(target) for file in target.rglob("*") if file.is_file()}
    return files == there and all((source / file).read_bytes() == (target / file).read_bytes() for file in files)


def _open_to_all(folder: Path) -> None:
    """The engine's container runs as another user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
