"""Ports for programs that tests start."""

import random
import socket

# Below those that the kernel gives to whoever asks for any: a program that takes seconds to listen would find its own
# taken, and its test would speak with whatever came before it.
PORTS = range(10_240, 32_768)
_chooser = random.SystemRandom()


def free_port() -> int:
    """A TCP port of the loopback interface on which nothing listens."""
    while True:
        port = _chooser.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
