"""The images of the stack in containers: built here, or pulled.

What a build needs from this machine (certificates that it must trust, a PyTorch wheel near by) lies in the build's
context while it runs and nowhere afterwards; nothing of it reaches an image.
"""

import hashlib
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.docker_host import has_image, output_of
from cli.failures import Failure
from cli.settings import REPOSITORY
from cli.steps import Step

SERVICES = "roundhouse:0.1.0"
CPU_ENGINE = "roundhouse-vllm-cpu:0.32.0"
GPU_ENGINE = "vllm/vllm-openai:v0.32.0"

IMAGES = REPOSITORY / "images"
INSTALLER = IMAGES / "vllm" / "install.sh"
ENGINE_SOURCES = ("Dockerfile", "install.sh", "requirements.txt", "slim.sh", "uv.txt")
LABEL = "roundhouse.source"
KEEPERS = frozenset({".gitignore", ".gitkeep"})


@dataclass(frozen=True)
class Recipe:
    """One image that is built: its name, what it is built from and on, and the fingerprint of that."""

    tag: str
    dockerfile: Path
    context: Path
    base: str | None
    source: str


def pull(step: Step, image: str) -> None:
    if has_image(image):
        step.done(f"{image} is here")
        return
    step.run(
        ("docker", "pull", image), remedy="Check the network and the free disk space (25 GB), then run this again."
    )


def build_services(step: Step, base: str | None) -> None:
    """Manager and proxy: one image. `base` replaces the Dockerfile's own."""
    dockerfile = IMAGES / "roundhouse" / "Dockerfile"
    rooms = [REPOSITORY / room for room in ("contract", "manager", "proxy", "static")]
    source = fingerprint(dockerfile, REPOSITORY / "requirements.lock", *rooms)
    if _is_built(step, SERVICES, source):
        return
    with _lent({IMAGES / "roundhouse" / "trust": _certificates()}):
        _build(step, Recipe(SERVICES, dockerfile, REPOSITORY, base, source))


def build_engine(step: Step, base: str | None) -> None:
    """vLLM for the CPU. `base` replaces the Dockerfile's own."""
    folder = IMAGES / "vllm"
    source = fingerprint(*(folder / name for name in ENGINE_SOURCES))
    if _is_built(step, CPU_ENGINE, source):
        return
    with _lent({folder / "trust": _certificates(), folder / "wheels": None}):
        step.say(_fetch_torch(folder / "wheels"))
        _build(step, Recipe(CPU_ENGINE, folder / "Dockerfile", folder, base, source))


def fingerprint(*sources: Path) -> str:
    """The same for the same files, by name and content; folders count with all that is in them."""
    digest = hashlib.sha256()
    files = sorted(file for source in sources for file in (source.rglob("*") if source.is_dir() else (source,)))
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"{file.relative_to(REPOSITORY)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _is_built(step: Step, tag: str, source: str) -> bool:
    """Whether the image was made from these sources; a build asks the net even when nothing changed."""
    found = output_of(("docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', tag))
    if found == source:
        step.done(f"{tag} is built")
    return found == source


def _build(step: Step, recipe: Recipe) -> None:
    chosen = ("--build-arg", f"BASE={recipe.base}") if recipe.base else ()
    named = ("--tag", recipe.tag, "--label", f"{LABEL}={recipe.source}")
    command = ("docker", "build", *chosen, *named, "--file", recipe.dockerfile, recipe.context)
    remedy = (
        "Check the network and the free disk space (8 GB). Where the base image cannot be pulled, name another with "
        "Python 3.11 or newer: ROUNDHOUSE_PYTHON_IMAGE=... Then run ./setup.sh again."
    )
    step.run(command, remedy=remedy)
    step.done(recipe.tag)


def _certificates() -> Path | None:
    """The bundle of certificates that this machine trusts, which may know a company's own."""
    bundle = ssl.get_default_verify_paths().cafile
    return Path(bundle) if bundle else None


@contextmanager
def _lent(files: dict[Path, Path | None]) -> Iterator[None]:
    """Puts a file into each of the folders of a build's context, and empties the folders in the end."""
    try:
        for folder, file in files.items():
            _empty(folder)
            if file:
                shutil.copyfile(file, folder / "machine.crt")
        yield
    finally:
        for folder in files:
            _empty(folder)


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name not in KEEPERS:
            file.unlink()


def _fetch_torch(folder: Path) -> str:
    """PyTorch's CPU build, where pip is configured to find it near by; what came of it in words."""
    found = re.search(r"^torch='(.+)'$", INSTALLER.read_text(), re.MULTILINE)
    if not found:
        raise Failure(f"{INSTALLER} names no torch", "The repository is damaged: clone it anew.")
    command = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--dest",
        folder,
        found[1],
    )
    answer = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return f"{found[1]}: {'from a wheel near by' if answer.returncode == 0 else 'from its own index of CPU builds'}"
