"""The guards before every endpoint, one by one and without a socket: what opens, what does not, and in which words."""

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

import pytest

from contract.errors import ApiError
from contract.keys import NO_LIMITS, KeyLimits
from proxy.access.guard import GRANT, KeyGuard
from proxy.access.host import HostGuard
from proxy.access.keyring import Keyring
from proxy.access.keys import Key, digest_of
from proxy.access.origin import guard_origin
from proxy.access.paths import is_for_admins, is_guarded
from proxy.access.rate_headers import rate_lines
from proxy.access.signed import SIGNED, Signatures
from proxy.access.sources import BadKeys
from proxy.gateway.asgi import TELLING
from tests.proxy.clock import Clock

FIRST, SECRET = "a-key-of-many-characters", "its-secret"
BEARER = b"Bearer rh-one-" + SECRET.encode()
FIRST_BEARER = b"Bearer " + FIRST.encode()
HERE = ("10.0.0.1", 40000)
ID = "art_0123456789abcdef"
WAIT = {"retry-after": "2"}
NO_RETRY = {"x-should-retry": "false"}


def refusal(guard: Callable[[], object], status: int, code: str, headers: dict[str, str]) -> str:
    """The words of the refusal, which must be this one."""
    with pytest.raises(ApiError) as raised:
        guard()
    error = raised.value
    assert (error.status, error.code, error.headers) == (status, code, headers)
    assert isinstance(error.message, str)
    return error.message


# Names


def named(host: bytes | None, *more: tuple[bytes, bytes], guard: HostGuard | None = None) -> None:
    """Passes for a name that is ours."""
    lines = [(b"host", host), *more] if host is not None else [*more]
    (guard or HostGuard(frozenset({"localhost", "[::1]"})))({"headers": lines}, dict(lines))


@pytest.mark.parametrize("host", [b"localhost", b"LocalHost", b"localhost:8080", b"LOCALHOST:1", b"[::1]", b"[::1]:80"])
def test_a_name_of_ours_passes_in_any_case_and_with_any_port(host: bytes) -> None:
    named(host)


@pytest.mark.parametrize("host", [b"localhost:", b"localhost:x", b"localhost:8:8", b":80", b"80", b"evil", b"\xe9"])
def test_all_other_names_are_misdirected_and_the_answer_says_how_to_add_one(host: bytes) -> None:
    told = refusal(lambda: named(host), 421, "misdirected_request", NO_RETRY)
    assert told.startswith(f"'{host.decode(errors='replace')}' is no name")
    assert "ROUNDHOUSE_ALLOWED_HOSTS" in told


def test_of_a_long_name_a_hundred_bytes_are_told() -> None:
    told = refusal(lambda: named(b"x" * 200), 421, "misdirected_request", NO_RETRY)
    assert f"'{'x' * 100}'" in told


def test_a_request_without_a_name_is_told_that_it_needs_one() -> None:
    for host in (None, b""):
        assert "needs a Host" in refusal(partial(named, host), 400, "invalid_http", NO_RETRY)


@pytest.mark.parametrize("name", [b"host", b"content-length", b"authorization", b"x-api-key", b"origin"])
def test_a_header_that_may_stand_once_does_not_stand_twice_and_others_may(name: bytes) -> None:
    twice = [(name, b"localhost"), (name, b"localhost")]
    assert "twice" in refusal(lambda: named(b"localhost", *twice), 400, "invalid_http", NO_RETRY)
    named(b"localhost", (b"accept", b"a"), (b"accept", b"b"))


def test_the_names_that_are_remembered_are_bounded() -> None:
    guard = HostGuard(frozenset({"localhost"}))
    for number in range(200):
        with pytest.raises(ApiError):
            named(b"evil%d" % number, guard=guard)
    assert guard._is_ours.cache_info().currsize == 64


# Pages


def asked_by(origin: bytes | None, path: str = "/v1/models", host: bytes = b"LocalHost:8080") -> None:
    """Passes for a page that may ask."""
    guard_origin({"path": path}, {b"host": host} | ({b"origin": origin} if origin is not None else {}))


@pytest.mark.parametrize("origin", [None, b"http://localhost:8080", b"HTTPS://LOCALHOST:8080"])
def test_our_own_page_and_who_is_no_page_may_ask(origin: bytes | None) -> None:
    asked_by(origin)


@pytest.mark.parametrize("origin", [b"", b"null", b"http://localhost", b"ftp://localhost:8080", b"localhost:8080"])
def test_another_page_may_ask_for_what_is_public_and_for_nothing_else(origin: bytes) -> None:
    assert "another origin" in refusal(lambda: asked_by(origin), 403, "forbidden_origin", NO_RETRY)
    asked_by(origin, "/static/app.js")


# Paths


@pytest.mark.parametrize(
    ("path", "guarded", "admins"),
    [
        ("/", False, False),
        ("/health", False, False),
        ("/static/x.js", False, False),
        ("/static", True, False),
        ("/v1/models", True, False),
        ("/x/static/", True, False),
        ("/admin", True, True),
        ("/metrics", True, True),
        ("/admin/keys", True, True),
        ("/x/admin/", True, False),
    ],
)
def test_a_path_is_guarded_unless_it_is_named(path: str, guarded: bool, admins: bool) -> None:
    assert (is_guarded(path), is_for_admins(path)) == (guarded, admins)


# Addresses with a signature


def address(query: str, **other: object) -> dict[str, object]:
    path = f"/v1/artifacts/{ID}/content"
    return {"path": path, "query_string": query.encode(), "method": "GET", **other}


def test_an_address_opens_until_its_time_is_over_and_then_says_so() -> None:
    signatures = Signatures()
    signed = address(signatures.query(ID, 100))
    assert signatures.opens(signed, 99.9)
    told = refusal(lambda: signatures.opens(signed, 100), 403, "address_expired", NO_RETRY)
    assert "ask for the artifact with your key" in told


@pytest.mark.parametrize(
    "other",
    [
        {"path": f"/v1/artifacts/{ID}"},
        {"path": f"/v1/artifacts/{ID}x/content"},
        {"path": f"/v1/files/{ID}/content"},
        {"method": "DELETE"},
        {"method": "POST"},
        {"query_string": b""},
        {"query_string": b"expires=100"},
        {"query_string": b"expires=101&signature=" + Signatures().query(ID, 101)[-64:].encode()},
    ],
)
def test_an_address_opens_one_artifact_for_reading_and_nothing_else(other: dict[str, object]) -> None:
    signatures = Signatures()
    assert signatures.opens(address(signatures.query(ID, 100), method="HEAD"), 0)
    assert signatures.opens(address(signatures.query(ID, 100)), 0)
    assert signatures.opens(address(signatures.query(ID, 100), **other), 0) is False


def test_an_address_is_known_to_whoever_has_the_secret_and_to_nobody_else() -> None:
    one, other, stranger = Signatures(), Signatures(), Signatures()
    one.adopt(b"a secret of the store's")
    other.adopt(b"a secret of the store's")
    signed = address(one.query(ID, 100))
    assert other.opens(signed, 0)
    assert not stranger.opens(signed, 0)


# Keys


class Door:
    """A guard with a first key and a stored one, `limited` or not."""

    def __init__(self, *, per_minute: int = 2, limits: KeyLimits = NO_LIMITS) -> None:
        self.clock = Clock()
        self.ring = Keyring(FIRST, self.clock)
        self.ring.take([Key("one", digest_of(SECRET.encode()), "x", None, False, None, limits)], {}, ever=True)
        self.signatures = Signatures()
        self.bad = BadKeys(self.clock, per_minute)
        self.guard = KeyGuard(self.ring, self.signatures, self.clock, self.bad)

    def asks(
        self, bearer: bytes | None, api_key: bytes | None = None, path: str = "/v1/models", **other: object
    ) -> Any:  # noqa: ANN401
        """The scope after the guard was passed."""
        scope = {"path": path, "query_string": b"", "client": HERE, "method": "GET", **other}
        headers = {b"authorization": bearer, b"x-api-key": api_key}
        self.guard(scope, {name: value for name, value in headers.items() if value is not None})
        return scope

    def unknown(self, bearer: bytes | None, api_key: bytes | None = None, **other: Any) -> str:  # noqa: ANN401
        headers = {"www-authenticate": "Bearer"}
        return refusal(lambda: self.asks(bearer, api_key, **other), 401, "invalid_api_key", headers)


def test_a_key_opens_in_either_header_and_in_both_where_they_are_one() -> None:
    door = Door()
    for headers in (
        (BEARER,),
        (None, BEARER[7:]),
        (BEARER, BEARER[7:]),
        (b"bEARER" + BEARER[6:], BEARER[7:]),
        (BEARER, b""),
    ):
        scope = door.asks(*headers)
        assert scope[GRANT].key.id == "one"
        assert SIGNED not in scope
        assert TELLING not in scope, "a key without limits is told of none"


@pytest.mark.parametrize("bearer", [FIRST_BEARER, b"Basic " + BEARER[7:], b"Bearerx" + BEARER[7:]])
def test_two_headers_that_differ_are_refused_whichever_of_them_is_right(bearer: bytes) -> None:
    told = refusal(lambda: Door().asks(bearer, BEARER[7:]), 400, "conflicting_keys", NO_RETRY)
    assert "do not hold the same key" in told


def test_who_sends_no_key_or_a_wrong_one_is_told_which_it_is_and_how_to_send_one() -> None:
    door = Door()
    assert door.unknown(None).startswith("Send a key of this server as 'Authorization: Bearer")
    assert door.unknown(None, b"").startswith("Send a key")
    assert door.unknown(BEARER + b"x").startswith("That is no key of this server")
    assert door.unknown(None, query_string=b"api_key=x").startswith("Send a key")


def test_what_is_public_and_a_server_without_keys_ask_for_none() -> None:
    assert GRANT not in Door().asks(None, path="/health")
    clock = Clock()
    guard = KeyGuard(Keyring(None, clock), Signatures(), clock)
    guard({"path": "/v1/models", "query_string": b""}, {})


def test_the_control_is_for_admins() -> None:
    door = Door()
    assert door.asks(FIRST_BEARER, path="/admin/keys")[GRANT].key.admin
    told = refusal(lambda: door.asks(BEARER, path="/admin/keys"), 403, "admin_key_required", NO_RETRY)
    assert "admin's key" in told


def test_a_signed_address_opens_without_a_key_and_no_key_is_looked_at() -> None:
    door = Door()
    query = door.signatures.query(ID, 10**11).encode()
    scope = door.asks(b"Bearer wrong", path=f"/v1/artifacts/{ID}/content", query_string=query)
    assert scope[SIGNED] is True
    assert not door.bad.has_any


def test_a_limited_key_is_told_what_is_left_when_the_answer_begins() -> None:
    door = Door(limits=KeyLimits(requests_per_minute=6))
    scope = door.asks(BEARER)
    scope[GRANT].allowances[0].take(1)
    door.clock.now += 5
    assert scope[TELLING]() == rate_lines(scope[GRANT].allowances, 5.0)
    assert b"remaining-requests: 5\r\n" in scope[TELLING]()


def test_after_many_bad_keys_only_what_nobody_can_guess_opens_from_there() -> None:
    door = Door(per_minute=2)
    door.unknown(b"Bearer wrong")
    assert door.asks(FIRST_BEARER)[GRANT].key.id == "file", "one bad key is not many"
    door.unknown(b"Bearer wrong")
    told = refusal(lambda: door.asks(b"Bearer wrong"), 429, "rate_limit_exceeded", {"retry-after": "30"})
    assert "Too many bad keys" in told
    refusal(lambda: door.asks(FIRST_BEARER), 429, "rate_limit_exceeded", {"retry-after": "30"})
    assert door.asks(BEARER)[GRANT].key.id == "one"
    assert door.asks(FIRST_BEARER, client=("10.0.0.2", 1))[GRANT].key.id == "file"
    door.unknown(b"Bearer wrong", client=("10.0.0.2", 1))
    door.clock.now += 29.5
    refusal(lambda: door.asks(FIRST_BEARER), 429, "rate_limit_exceeded", {"retry-after": "1"})
    door.clock.now += 0.5
    assert door.asks(FIRST_BEARER)[GRANT].key.id == "file"


def test_a_guard_of_its_own_counts_bad_keys_too() -> None:
    door = Door()
    guard = door.guard = KeyGuard(door.ring, door.signatures, door.clock)
    door.unknown(b"Bearer wrong")
    assert guard._bad.has_any


def test_where_the_store_cannot_be_read_its_keys_and_unknown_ones_are_asked_to_come_again() -> None:
    door = Door(per_minute=2)
    door.ring.trouble = "the disk is gone"
    for bearer in (BEARER, *[b"Bearer rh-0-0"] * 5):
        told = refusal(partial(door.asks, bearer), 503, "keys_unavailable", WAIT)
        assert "cannot be read" in told
    assert door.asks(FIRST_BEARER)[GRANT].key.id == "file"
    assert not door.bad.has_any, "a key that could not be looked up is no bad one"


def test_the_time_of_an_address_is_the_worlds_and_not_the_clock_of_limits() -> None:
    door = Door()
    door.clock.now = inf
    query = door.signatures.query(ID, 10**11).encode()
    assert door.asks(None, path=f"/v1/artifacts/{ID}/content", query_string=query)[SIGNED]
