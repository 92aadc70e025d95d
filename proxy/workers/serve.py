"""A proxy of several workers, from its start to its end."""

import asyncio
import contextlib

from proxy.access.key import read_key
from proxy.settings import Settings
from proxy.workers.listening import addresses_of, can_share, reserve
from proxy.workers.parent import Parent


class CannotTogether(Exception):
    """Several workers cannot serve here; the text says why."""


def serve_together(settings: Settings) -> int:
    """Serve until told to stop -> the process's exit code. Raises CannotTogether, KeyFileError."""
    if not can_share():
        raise CannotTogether(
            "This system cannot share a port among processes; it has one worker: ROUNDHOUSE_PROXY_WORKERS=1"
        )
    key = read_key(settings.key_file) if settings.key_file else None
    with contextlib.ExitStack() as stack:
        try:
            held = [stack.enter_context(each) for each in reserve(settings.proxy_host, settings.proxy_port)]
        except OSError as error:
            raise CannotTogether(f"{settings.proxy_host}:{settings.proxy_port} cannot be had: {error}") from error
        parent = Parent(settings.proxy_workers, addresses_of(held), key, settings.drain, settings.worker_patience)
        return asyncio.run(parent.run())
