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

IMAGES = REPOSITORY / "images"
ENVIRONMENT = IMAGES / "environment.sh"
TRUST, WHEELS = IMAGES / "trust", IMAGES / "wheels"
LABEL = "roundhouse.source"
KEEPERS = frozenset({".gitignore", ".gitkeep"})
PYTHON_BASE = "python:3.11-slim-bookworm"


@dataclass(frozen=True)
class Image:
    """One image that is built at the repository's root: its name, its Dockerfile, and what that copies."""

    tag: str
    dockerfile: Path
    sources: tuple[Path, ...]
    arguments: tuple[str, ...] = ()
    has_torch: bool = True


def _engine_sources(name: str, *more: str) -> tuple[Path, ...]:
    files = ("install.sh", "slim.sh", "requirements.txt", *more)
    return (ENVIRONMENT, IMAGES / "uv.txt", *(IMAGES / name / file for file in files))


_SERVER = (REPOSITORY / "contract", *_engine_sources("diffusers", "requirements-cuda.txt", "server"))
_DIFFUSERS = IMAGES / "diffusers" / "Dockerfile"
_ROOMS = ("requirements.lock", "pyproject.toml", "contract", "manager", "proxy", "static", "images/mock/server")
_COMPILER = tuple(IMAGES / "roundhouse" / name for name in ("compile.py", "compiled.txt", "compiler.txt", "sources.py"))
_PRODUCT = (*(REPOSITORY / name for name in _ROOMS), *_COMPILER)

SERVICES = Image("roundhouse:0.1.0", IMAGES / "roundhouse" / "Dockerfile", _PRODUCT, has_torch=False)
VLLM_ON_CPU = Image("roundhouse-vllm-cpu:0.32.0", IMAGES / "vllm" / "Dockerfile", _engine_sources("vllm"))
VLLM_ON_GPU = "vllm/vllm-openai:v0.32.0"
DIFFUSERS_ON_CPU = Image("roundhouse-diffusers-cpu:0.1.0", _DIFFUSERS, _SERVER, ("DEVICE=cpu", f"BASE={PYTHON_BASE}"))
DIFFUSERS_ON_GPU = Image("roundhouse-diffusers:0.1.0", _DIFFUSERS, _SERVER, has_torch=False)


def pull(step: Step, image: str) -> None:
    if has_image(image):
        step.done(f"{image} is here")
        return
    step.run(
        ("docker", "pull", image), remedy="Check the network and the free disk space (25 GB), then run this again."
    )


def build(step: Step, image: Image, base: str | None) -> None:
    """Builds what is not built from these very sources. `base` replaces the Dockerfile's own."""
    source = fingerprint(image.dockerfile, *image.sources)
    if _is_built(step, image.tag, source):
        return
    with _lent({TRUST: _certificates(), WHEELS: None}):
        if image.has_torch:
            step.say(_fetch_torch(WHEELS))
        _build(step, image, base, source)


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


def _build(step: Step, image: Image, base: str | None, source: str) -> None:
    arguments = (*image.arguments, *((f"BASE={base}",) if base else ()))  # of two, the last one counts
    chosen = [part for argument in arguments for part in ("--build-arg", argument)]
    named = ("--tag", image.tag, "--label", f"{LABEL}={source}")
    command = ("docker", "build", *chosen, *named, "--file", image.dockerfile, REPOSITORY)
    remedy = (
        "Check the network and the free disk space (8 GB; for a GPU 20 GB). Where the base image cannot be pulled, "
        "name another with Python 3.11 or newer: ROUNDHOUSE_PYTHON_IMAGE=..., for CUDA ROUNDHOUSE_CUDA_IMAGE=... "
        "Then run ./setup.sh again."
    )
    step.run(command, remedy=remedy)
    step.done(image.tag)


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
    found = re.search(r"^torch='(.+)'$", ENVIRONMENT.read_text(), re.MULTILINE)
    if not found:
        raise Failure(f"{ENVIRONMENT} names no torch", "The repository is damaged: clone it anew.")
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
