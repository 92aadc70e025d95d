"""A key that was proved is found again at once, and only as long as it is in force."""

from collections.abc import Mapping
from dataclasses import replace
from hmac import compare_digest
from time import monotonic
from unittest.mock import patch

import pytest

from contract.keys import NO_LIMITS, KeyLimits
from proxy.access import keyring
from proxy.access.keyring import Grant, Keyring
from proxy.access.keys import LONGEST, Key, digest_of, new_key, split_key, text_of
from tests.proxy.clock import Clock


def made() -> tuple[Key, bytes]:
    key_id, secret = new_key()
    key = Key(key_id, digest_of(secret.encode()), "x", None, False, None, NO_LIMITS)
    return key, b"Bearer " + text_of(key_id, secret).encode()


def test_a_revoked_key_opens_nothing_however_often_it_did_before() -> None:
    ring, (key, offered) = Keyring(None, monotonic), made()
    ring.take([key], {}, True)
    for _ in range(3):
        grant = ring.find(offered)
        assert grant is not None
        assert grant.key is key
    ring.take([], {}, True)
    assert ring.find(offered) is None


def test_a_key_with_new_limits_is_found_with_them() -> None:
    ring, (key, offered) = Keyring(None, monotonic), made()
    ring.take([key], {}, True)
    before = ring.find(offered)
    ring.take([key], {}, True)
    assert ring.find(offered) is not before


def test_what_differs_in_one_byte_is_not_found_beside_what_was_proved() -> None:
    ring, (key, offered) = Keyring(None, monotonic), made()
    ring.take([key], {}, True)
    assert ring.find(offered)
    for at in range(len("Bearer rh-"), len(offered)):
        assert ring.find(offered[:at] + bytes([offered[at] ^ 1]) + offered[at + 1 :]) is None


def test_the_spellings_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "MOST_PROVED", 8)
    ring, (key, offered) = Keyring(None, monotonic), made()
    ring.take([key], {}, True)
    for number in range(64):
        scheme = bytes(byte ^ 0x20 if number >> place & 1 else byte for place, byte in enumerate(b"Bearer"))
        assert ring.find(scheme + offered[6:])
        assert len(ring._proved) <= 8


def allowance_of(ring: Keyring, key: Key, offered: bytes, limits: KeyLimits, users: Mapping[str, KeyLimits]) -> Grant:
    """The key as it is found after news of it."""
    ring.take([replace(key, limits=limits)], users, True)
    grant = ring.find(offered)
    assert grant is not None
    return grant


def test_news_of_keys_give_nobody_a_fresh_minute_and_new_limits_hold_at_once() -> None:
    ring, (key, offered) = Keyring(None, Clock()), made()
    key = replace(key, user="ann")
    three, users = KeyLimits(requests_per_minute=3), {"ann": KeyLimits(concurrent_requests=1)}
    own, shared = allowance_of(ring, key, offered, three, users).allowances
    assert (own.holder, shared.holder) == (f"key {key.id}", "user ann")
    own.take(1)
    assert allowance_of(ring, key, offered, three, users).allowances == (own, shared)
    assert [bucket and bucket.size for bucket in own.buckets] == [3, None]
    assert own.begin(0, 0.0) == own.begin(0, 0.0) == 0
    assert own.begin(0, 0.0) != 0
    four = KeyLimits(requests_per_minute=4)
    assert allowance_of(ring, key, offered, four, {}).allowances == (own,)
    assert [bucket and bucket.size for bucket in own.buckets] == [4, None]
    assert own.begin(0, 0.0) == 0
    assert allowance_of(ring, key, offered, NO_LIMITS, {}).allowances == ()


@pytest.mark.parametrize("running", [0, 1])
def test_what_runs_under_a_key_that_went_is_counted_when_it_comes_back(running: int) -> None:
    ring, (key, offered) = Keyring(None, Clock()), made()
    limits = KeyLimits(concurrent_requests=1)
    (before,) = allowance_of(ring, key, offered, limits, {}).allowances
    before.running = running
    ring.take([], {}, True)
    (after,) = allowance_of(ring, key, offered, limits, {}).allowances
    assert (after is before) == bool(running)


def test_the_key_files_key_is_an_admins_and_is_found_by_its_text_and_by_its_name() -> None:
    ring = Keyring("a-key-of-many-characters", Clock())
    grant = ring.find(b"Bearer a-key-of-many-characters")
    digest = digest_of(b"a-key-of-many-characters")
    assert grant == Grant(Key("file", digest, "the key file's", None, True, None, NO_LIMITS, is_stored=False), ())
    assert ring.of("file") == grant
    ring.take([], {}, False)
    assert ring.of("file") == grant
    assert ring.has_first


def test_a_key_is_found_by_its_id_as_long_as_it_is_in_force() -> None:
    ring, (key, _) = Keyring(None, Clock()), made()
    assert not ring.has_first
    assert ring.of("file") is None
    ring.take([key], {}, True)
    assert ring.of(key.id) == Grant(key, ())
    assert ring.of("another") is None


@pytest.mark.parametrize(
    ("first", "ever", "demanded"), [(None, False, False), (None, True, True), ("a" * 20, False, True)]
)
def test_once_there_was_a_key_everybody_needs_one_for_good(first: str | None, ever: bool, demanded: bool) -> None:
    ring = Keyring(first, Clock())
    assert ring.is_demanded == (first is not None)
    ring.take([], {}, ever)
    assert ring.is_demanded == demanded
    ring.take([], {}, False)
    assert ring.is_demanded == demanded


def test_it_tells_how_many_keys_it_has_and_whether_it_is_in_trouble_until_it_hears_news() -> None:
    ring = Keyring("a-key-of-many-characters", Clock())
    assert repr(ring) == "<Keyring of 1 keys>"
    assert ring.trouble is None
    ring.trouble = "the disk is gone"
    assert repr(ring) == "<Keyring of 1 keys, troubled>"
    ring.take([made()[0]], {}, True)
    assert repr(ring) == "<Keyring of 2 keys>"
    assert ring.trouble is None


@pytest.mark.parametrize(("longer", "found"), [(0, True), (1, False)])
def test_a_text_of_512_bytes_is_looked_at_and_none_that_is_longer(longer: int, found: bool) -> None:
    text = "a" * (LONGEST - len("Bearer "))
    assert (Keyring(text, Clock()).find(b"Bearer " + text.encode() + b"a" * longer) is not None) == found


def test_a_key_is_none_under_another_scheme_of_as_many_letters() -> None:
    ring, (key, offered) = Keyring(None, Clock()), made()
    ring.take([key], {}, True)
    assert ring.find(b"Digest " + offered[len(b"Bearer ") :]) is None


def test_a_key_is_proved_once_and_then_known() -> None:
    ring, (key, offered) = Keyring(None, Clock()), made()
    ring.take([key], {}, True)
    with patch("proxy.access.keyring.compare_digest", side_effect=compare_digest) as compared:
        assert [ring.find(offered) for _ in range(3)] == [ring.of(key.id)] * 3
    assert compared.call_count == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"rh-id-a-secret", (b"id", b"a-secret")),
        (b"rh-id-", (b"id", b"")),
        (b"rh-id", (b"", b"rh-id")),
        (b"of-another-form", (b"", b"of-another-form")),
        (b"RH-id-secret", (b"", b"RH-id-secret")),
        (b"", (b"", b"")),
    ],
)
def test_a_text_is_an_id_and_a_secret_or_has_not_our_form(text: bytes, parts: tuple[bytes, bytes]) -> None:
    assert split_key(text) == parts


def test_ids_and_secrets_are_as_long_as_ours_are_whatever_is_usual_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.DEFAULT_ENTROPY", 4)
    key_id, secret = new_key()
    assert (len(bytes.fromhex(key_id)), len(secret)) == (8, 43)
    assert text_of(key_id, secret) == f"rh-{key_id}-{secret}"


@pytest.mark.parametrize(("models", "allowed"), [(None, True), (frozenset({"m"}), True), (frozenset({"x"}), False)])
def test_a_key_may_use_the_models_that_it_names_or_every_one(models: frozenset[str] | None, allowed: bool) -> None:
    assert replace(made()[0], models=models).may_use("m") == allowed
