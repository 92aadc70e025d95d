"""The page's libraries: from npm by the lock file into static/vendor, which git ignores."""

import hashlib
import shutil
from pathlib import Path

from cli.programs import ensure_program
from cli.settings import REPOSITORY
from cli.steps import Step

VENDOR = REPOSITORY / "static" / "vendor"
SOURCES = ("package-lock.json", "static/vendor.js")


def prepare_page(step: Step, *, with_checks: bool = False) -> None:
    """Fills static/vendor unless it matches the lock; `with_checks` brings the type checker of its tests as well."""
    wanted = _fingerprint()
    stamp = VENDOR / ".lock"
    if stamp.is_file() and stamp.read_text() == wanted and (not with_checks or _has_checker()):
        step.done("libraries are here")
        return
    ensure_program(step, "npm", "npm", "install Node.js with npm")
    remedy = "Check the network and run this again."
    scope = ("--include=dev",) if with_checks else ("--omit=dev",)
    step.run((npm(), "ci", "--no-audit", "--no-fund", "--loglevel=error", *scope), remedy=remedy)
    step.run((npm(), "run", "--silent", "vendor"), remedy=remedy)
    stamp.write_text(wanted)


def npm() -> str:
    """How npm is called here; on Windows it is a batch file."""
    return shutil.which("npm") or "npm"


def _has_checker() -> bool:
    return (REPOSITORY / "node_modules" / "typescript").is_dir()


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(Path(REPOSITORY, name).read_bytes())
    return digest.hexdigest()
