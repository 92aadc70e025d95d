"""`python -m proxy.workers.worker LINE MEMORY`: one of several, as the parent starts it. Both are descriptors."""

import logging
import socket
import sys

from proxy.server import build_server
from proxy.settings import Settings
from proxy.sharing.line import read_assignment
from proxy.sharing.memory import SharedMemory
from proxy.sharing.share import Share
from proxy.sharing.siblings import Siblings
from proxy.workers.listening import own_sockets


def main(line: int, memory: int) -> int:
    """Serve until told to stop, or until the parent is gone -> the process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    link = socket.socket(fileno=line)
    try:
        assignment = read_assignment(link)
    except EOFError:
        return 1
    share = Share(assignment, SharedMemory(memory, assignment.workers), Siblings(link))
    server = build_server(Settings(), share)
    server.run(sockets=own_sockets(assignment.addresses))
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
