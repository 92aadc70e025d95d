"""URLs of media and the addresses behind them: which may be asked. Pure.

A URL is read once, by one strict pattern that leaves nothing for a second reader to understand otherwise: no user,
no bracket, no backslash, no space or control character, no letter beyond ASCII, no host that is a number.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from proxy.media.refusal import MediaRefused

URL_LIMIT = 4096
NAME_LIMIT = 253
EVERY_NAME = "*"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})+)(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>/[!#-;=?-\[\]_a-z~]*)?(?P<query>\?[!-;=?-\[\]_a-z~]*)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_PORTS = {"http": 80, "https": 443}
# Of IPv6 what is given out at all, less what is a way to an IPv4 address: Teredo and 6to4.
_GIVEN_OUT = ip_network("2000::/3")
_DETOURS = (ip_network("2001::/32"), ip_network("2002::/16"))


@dataclass(frozen=True)
class Target:
    """What a URL asks for. `host` is lower case; `path` has the query with it."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return self.host if self.port == _PORTS["https" if self.tls else "http"] else f"{self.host}:{self.port}"


def parse_url(url: str) -> Target:
    """A URL -> what it asks for. Raises MediaRefused."""
    found = _URL.fullmatch(url.partition("#")[0]) if len(url) <= URL_LIMIT else None
    if found is None or "%00" in url:
        raise MediaRefused("invalid_media_url", "write a data URL, or an http or https URL with the name of a host")
    host = found["host"].lower()
    port = int(found["port"] or _PORTS[found["scheme"]])
    if len(host) > NAME_LIMIT or not 0 < port < 2**16 or _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise MediaRefused("invalid_media_url", "its host must be a name and no address")
    return Target(found["scheme"] == "https", host, port, (found["path"] or "/") + (found["query"] or ""))


def require_allowed(target: Target, hosts: frozenset[str]) -> None:
    """Raises MediaRefused for a host that the operator did not name. A port of its own must be named with it."""
    if target.authority not in hosts and (EVERY_NAME not in hosts or target.authority != target.host):
        reason = (
            "this server fetches no media from there; send a data URL, or let its operator name the host in "
            "ROUNDHOUSE_MEDIA_HOSTS"
        )
        raise MediaRefused("media_host_not_allowed", reason)


def is_public(address: str) -> bool:
    """Whether an IP address, as a resolver gives it, is one of the public internet and no detour to another."""
    if "%" in address:
        return False
    try:
        number = ip_address(address)
    except ValueError:
        return False
    if isinstance(number, IPv6Address) and (number not in _GIVEN_OUT or any(number in detour for detour in _DETOURS)):
        return False
    return number.is_global and not number.is_multicast and not number.is_reserved
