"""What the benchmark needs and does not find: peers by uv, each in an environment of its own; nginx and wrk by apt."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.gateway.peers import PEERS, Peer

SYSTEM = ("nginx", "wrk")


def install(peers: Iterable[Peer]) -> None:
    """Nothing is done for what is there. Raises CalledProcessError, and SystemExit where a person has to do it."""
    _install_system()
    for peer in peers:
        if peer.requirement is not None:
            _install_peer(peer, peer.requirement)


def _install_system() -> None:
    missing = [name for name in SYSTEM if shutil.which(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(f"please install: {' '.join(missing)}")
    print(f"installing {' '.join(missing)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)


def _install_peer(peer: Peer, requirement: str) -> None:
    """The mark is written last, so that what was interrupted is done again."""
    mark = peer.home / "installed"
    if mark.is_file() and mark.read_text(encoding="utf-8") == requirement:
        return
    print(f"installing {requirement} into {peer.home.relative_to(PEERS.parent.parent)}", flush=True)
    uv = _uv()
    python = str(peer.home / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(peer.home)], check=True)
    overrides = peer.home / "unpinned.txt"
    overrides.write_text("".join(f"{name}\n" for name in peer.unpinned), encoding="utf-8")
    command = [uv, "pip", "install", "--quiet", "--python", python, "--overrides", str(overrides), requirement]
    subprocess.run(command, check=True)
    mark.write_text(requirement, encoding="utf-8")


def _uv() -> str:
    """The one beside our Python, or another."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("uv", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if found is None:
        raise SystemExit("please install: uv")
    return found
