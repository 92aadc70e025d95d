"""The images that the tests need: a base from Debian's packages, and on it our two."""

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
WHEELS = IMAGES / "vllm" / "wheels"
TRUST = (IMAGES / "vllm" / "trust", IMAGES / "roundhouse" / "trust")
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
    """One image: its tag, its Dockerfile and its context."""

    tag: str
    dockerfile: Path
    context: Path

    def public_base(self) -> str:
        """The base that the Dockerfile names, which a user's machine pulls."""
        return found(r"^ARG BASE=(\S+)$", self.dockerfile)


ENGINE = Recipe("roundhouse-vllm-cpu:0.32.0", IMAGES / "vllm" / "Dockerfile", IMAGES / "vllm")
SERVICES = Recipe("roundhouse:0.1.0", IMAGES / "roundhouse" / "Dockerfile", REPOSITORY)


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
    with extras():
        for recipe in (SERVICES, ENGINE):
            build(recipe, base or chosen_base(recipe.public_base()))


def build(recipe: Recipe, base: str) -> None:
    say(f"building {recipe.tag} on {base}")
    options = ("--build-arg", f"BASE={base}", "--tag", recipe.tag, "--file", recipe.dockerfile)
    # Debian's Engine has the classic builder only, and no client's plugin is needed for it.
    run("docker", "build", *options, recipe.context, env={"DOCKER_BUILDKIT": "0"})
    refuse_leftovers(recipe.tag, base)
    say(f"{recipe.tag} is ready")


@contextmanager
def extras() -> Iterator[None]:
    """This machine's certificates and torch wheel lie in the contexts while the images are built."""
    empty()
    try:
        bundle = ssl.get_default_verify_paths().cafile
        for folder in TRUST if bundle else ():
            shutil.copyfile(str(bundle), folder / "machine.crt")
        fetch_torch()
        yield
    finally:
        empty()


def empty() -> None:
    for folder in (WHEELS, *TRUST):
        for file in folder.iterdir():
            if file.name not in KEEPERS:
                file.unlink()


def fetch_torch() -> None:
    """torch's CPU build, if pip is configured to find it near by; else the build takes it from PyTorch's index."""
    torch = found(r"^torch='(.+)'$", IMAGES / "vllm" / "install.sh")
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
