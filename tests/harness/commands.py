"""Programs run by the harness, and lines that say how far it is."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

BEGAN = time.monotonic()


class HarnessError(Exception):
    """What the harness needs cannot be had; the message says what to do."""


def say(line: str) -> None:
    print(f"[{time.monotonic() - BEGAN:4.0f}s] {line}", flush=True)


def run(*command: str | Path, env: Mapping[str, str] | None = None) -> None:
    """Runs a program, whose lines go where ours go."""
    finished = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    if finished.returncode != 0:
        raise HarnessError(
            f"{command[0]} {command[1]} ended with status {finished.returncode}; its reason stands above"
        )


def output_of(*command: str, timeout: float = 60) -> str | None:
    """What a program prints, or None if it fails or does not end in time."""
    try:
        finished = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
