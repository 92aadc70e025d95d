"""The images that the tests need: a base from Debian's packages, and on it our three."""

import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.commands import HarnessError, output_of, run, say

REPOSITORY = Path(__file__).parents[2]
IMAGES = REPOSITORY / "images"
WHEELS, TRUST = IMAGES / "wheels", IMAGES / "trust"
KEEPERS = frozenset({".gitignore", ".gitkeep"})
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

OUR_BASE = "roundhouse-base:bookworm"
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
# Nothing in a container reads these.
LEFT_OUT = ("./proc/*", "./sys/*", "./dev/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*",
            "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*")  # fmt: skip
PULL_SECONDS = 30


@dataclass(frozen=True)
class Recipe:
    """One image: its tag, its Dockerfile, and what its build is told beside the base."""

    tag: str
    dockerfile: Path
    arguments: tuple[str, ...] = ()


SERVICES = Recipe("roundhouse:0.1.0", IMAGES / "roundhouse" / "Dockerfile")
VLLM = Recipe("roundhouse-vllm-cpu:0.32.0", IMAGES / "vllm" / "Dockerfile")
DIFFUSERS = Recipe("roundhouse-diffusers-cpu:0.1.0", IMAGES / "diffusers" / "Dockerfile", ("DEVICE=cpu",))


def found(pattern: str, file: Path) -> str:
    match = re.search(pattern, file.read_text(), re.MULTILINE)
    if match is None:
        raise HarnessError(f"{file} has no line like {pattern}")
    return match[1]


def install_packages(wanted: Mapping[str, str]) -> None:
    """Installs the Debian packages of those programs that are not there."""
    packages = sorted({package for program, package in wanted.items() if shutil.which(program) is None})
    if packages:
        say(f"installing {' '.join(packages)}")
        run("apt-get", "update", "-qq")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-qq", "--no-install-recommends", *packages, env=quiet)


def has_image(tag: str) -> bool:
    return output_of("docker", "image", "inspect", "--format", "{{.Id}}", tag) is not None


def make_base() -> None:
    if has_image(OUR_BASE):
        say(f"{OUR_BASE} is here")
        return
    install_packages({"debootstrap": "debootstrap"})
    with tempfile.TemporaryDirectory(prefix="roundhouse-base-") as scratch:
        say(f"making {OUR_BASE} from Debian's packages")
        # Without a mirror's name, debootstrap takes Debian's own.
        run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", scratch)
        import_folder(Path(scratch), OUR_BASE)
    say(f"{OUR_BASE} is ready")


def import_folder(folder: Path, tag: str) -> None:
    left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    with subprocess.Popen(["tar", "-C", str(folder), *left_out, "-c", "."], stdout=subprocess.PIPE) as tar:
        imported = subprocess.run(["docker", "import", "-", tag], stdin=tar.stdout, check=False)
    if imported.returncode != 0 or tar.returncode != 0:
        raise HarnessError(f"{tag} could not be imported; the reason stands above")


def chosen_base(public: str) -> str:
    """The public base, if it is here or can be pulled; else ours. What an earlier run settled is not tried again."""
    for tag in (public, OUR_BASE):
        if has_image(tag):
            return tag
    say(f"pulling {public}")
    if output_of("docker", "pull", "--quiet", public, timeout=PULL_SECONDS) is not None:
        return public
    say(f"{public} cannot be pulled")
    make_base()
    return OUR_BASE


def build_all(base: str | None) -> None:
    """All on the base that the services' Dockerfile names, which a user's machine pulls, or what stands in for it."""
    chosen = base or chosen_base(found(r"^ARG BASE=(\S+)$", SERVICES.dockerfile))
    with extras():
        for recipe in (SERVICES, VLLM, DIFFUSERS):
            build(recipe, chosen)


def build(recipe: Recipe, base: str) -> None:
    say(f"building {recipe.tag} on {base}")
    arguments = [part for each in (f"BASE={base}", *recipe.arguments) for part in ("--build-arg", each)]
    options = (*arguments, "--tag", recipe.tag, "--file", str(recipe.dockerfile))
    # Debian's Engine has the classic builder only, and no client's plugin is needed for it.
    run("docker", "build", *options, REPOSITORY, env={"DOCKER_BUILDKIT": "0"})
    refuse_leftovers(recipe.tag, base)
    say(f"{recipe.tag} is ready")


@contextmanager
def extras() -> Iterator[None]:
    """This machine's certificates and torch wheel lie in the context while the images are built."""
    empty()
    try:
        bundle = ssl.get_default_verify_paths().cafile
        if bundle:
            shutil.copyfile(bundle, TRUST / "machine.crt")
        fetch_torch()
        yield
    finally:
        empty()


def empty() -> None:
    for folder in (WHEELS, TRUST):
        for file in folder.iterdir():
            if file.name not in KEEPERS:
                file.unlink()


def fetch_torch() -> None:
    """torch's CPU build, if pip is configured to find it near by; else the build takes it from PyTorch's index."""
    torch = found(r"^torch='(.+)'$", IMAGES / "environment.sh")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-index", "--no-deps")
    near = output_of(*pip, "--dest", str(WHEELS), torch, timeout=300)
    say(f"{torch}: {'a wheel near by' if near is not None else 'no wheel near by'}")


def refuse_leftovers(tag: str, base: str) -> None:
    """Raises if an image holds what only its build may see: certificates, wheels, or a CA bundle that was added to."""
    look = "find /tmp /opt /app /root /home -name '*.crt' -o -name '*.whl'"
    left = inside(tag, "sh", "-c", f"{look} 2>/dev/null; true")
    if left:
        raise HarnessError(f"{tag} holds what belongs to its build only: {left}")
    if inside(tag, "sha256sum", BUNDLE) != inside(base, "sha256sum", BUNDLE):
        raise HarnessError(f"{tag} trusts other certificates than {base}")


def inside(tag: str, *command: str) -> str:
    """What a program prints in a container of that image."""
    printed = output_of("docker", "run", "--rm", "--network", "none", "--user", "0:0", tag, *command)
    if printed is None:
        raise HarnessError(f"{command[0]} could not be run in {tag}")
    return printed
