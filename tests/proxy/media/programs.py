"""The decoder's programs, as the operating system sees them."""

import psutil

from proxy.media import decoder


def programs() -> list[psutil.Process]:
    """Those of this process; other tests have processes of their own."""
    return [child for child in psutil.Process().children() if str(decoder.PROGRAM) in _words(child)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
