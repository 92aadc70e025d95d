"""A key that was proved is found again at once, and only as long as it is in force."""

from time import monotonic

import pytest

from contract.keys import NO_LIMITS
from proxy.access import keyring
from proxy.access.keyring import Keyring
from proxy.access.keys import Key, digest_of, new_key, text_of


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
