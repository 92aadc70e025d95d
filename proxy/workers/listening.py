"""One port for several processes: each has sockets of its own there, and the kernel gives each its share of callers.

A worker that dies takes its sockets along, so the others have all callers from then on.
"""

import socket
from collections.abc import Iterable

from proxy.on_failure import on_failure

Address = tuple[int, str, int]  # family, host, port


def can_share() -> bool:
    """Whether this system knows how."""
    return hasattr(socket, "SO_REUSEPORT")


def reserve(host: str, port: int) -> list[socket.socket]:
    """Sockets that hold the port and do not listen. Raises OSError where somebody else listens there."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    held: list[socket.socket] = []
    for family, _, _, _, place in dict.fromkeys(found):
        name, wanted = str(place[0]), int(place[1]) or _port_of(held)
        with socket.create_server((name, wanted), family=family) as alone:  # nobody is there, of our kind or another
            taken = alone.getsockname()[1]
        held.append(_bound((family, name, taken)))
    return held


def addresses_of(held: Iterable[socket.socket]) -> tuple[Address, ...]:
    """Where they are."""
    names = ((int(each.family), each.getsockname()) for each in held)
    return tuple((family, name[0], name[1]) for family, name in names)


def own_sockets(addresses: Iterable[Address]) -> list[socket.socket]:
    """A worker's own, at the addresses that its parent holds."""
    return [_bound(address) for address in addresses]


def _port_of(held: list[socket.socket]) -> int:
    return int(held[0].getsockname()[1]) if held else 0


def _bound(address: Address) -> socket.socket:
    family, host, port = address
    link = socket.socket(family, socket.SOCK_STREAM)
    with on_failure(link.close):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        link.bind((host, port))
    return link
