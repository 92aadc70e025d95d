"""A copy of the proxy whose hot path is compiled, as in its image, and by the same program."""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.gateway.processes import ROOT

TREE = ROOT / ".engines" / "compiled"
ROOMS = ("contract", "proxy")
COMPILER = "images/roundhouse"


def compile_proxy() -> None:
    """Nothing is done where the copy was made of these very files. Raises CalledProcessError and SystemExit."""
    mark, wanted = TREE / "compiled-from", _digest()
    if mark.is_file() and mark.read_text(encoding="ascii") == wanted:
        return
    _require_compiler()
    print(f"compiling the proxy in {TREE.relative_to(ROOT)}, for a minute", flush=True)
    _copy()
    command = [sys.executable, "-m", "images.roundhouse.compile", str(TREE)]
    subprocess.run(command, cwd=ROOT, check=True)
    mark.write_text(wanted, encoding="ascii")  # last, so that what was interrupted is done again


def _digest() -> str:
    """Of every file that the copy is made of, and of the Python that it is made for."""
    digest = hashlib.sha256(sys.version.encode())
    files = [file for room in (*ROOMS, COMPILER) for file in (ROOT / room).rglob("*")]
    for file in sorted((ROOT / "pyproject.toml", *files)):
        if file.suffix in {".py", ".toml", ".txt"}:
            digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _require_compiler() -> None:
    has_headers = Path(sysconfig.get_path("include"), "Python.h").is_file()
    if shutil.which("gcc") is None or not has_headers:
        raise SystemExit("the proxy is compiled for this; please install: gcc libc6-dev python3-dev")


def _copy() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    for room in ROOMS:
        shutil.copytree(ROOT / room, TREE / room, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copyfile(ROOT / "pyproject.toml", TREE / "pyproject.toml")
    (TREE / "static").symlink_to(ROOT / "static")  # the page is served from beside the proxy
