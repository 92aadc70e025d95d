from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.keep import LONGEST, KeepWish, parse_keep, parse_ttl

WRITTEN = [
    ("5m", 300),
    ("1h30m", 5400),
    ("300ms", 0.3),
    ("24h", 86_400),
    ("10s", 10),
    ("1.5h", 5400),
    (".5s", 0.5),
    ("+3s", 3),
    ("1m0.5s", 60.5),
    ("2\u00b5s", 2e-6),
    ("0", 0),
    ("0s", 0),
    ("-0", 0),
    ("600", 600),
    ("-1", inf),
    ("-5m", inf),
    (0, 0),
    (-0.0, 0),
    (300, 300),
    (0.25, 0.25),
    (-1, inf),
    pytest.param(-(10**400), inf, id="a long negative number"),
    (-inf, inf),
]


@pytest.mark.parametrize(("written", "seconds"), WRITTEN)
def test_it_is_read_as_ollama_reads_it(written: object, seconds: float) -> None:
    read = parse_keep(written)
    assert type(read) is float
    assert read == pytest.approx(seconds)


WRONG = ["", "m", "5 m", "5M", "5d", "1e3", "1h-3m", " 5m", "5m\n", "\u0663s", ".s", ".", "1" * 65, "5m" * 40]


@pytest.mark.parametrize("written", [*WRONG, None, True, [], {}, b"5m", nan])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"write seconds|292 years"):
        parse_keep(written)


@pytest.mark.parametrize("written", [10**10, inf, "9999999h", "9" * 64])
def test_what_is_longer_than_any_duration_is_refused(written: object) -> None:
    for each in (written, 10**400):
        with pytest.raises(ValueError, match="292 years"):
            parse_keep(each)


@given(st.integers(0, 2_000_000), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    whole = 3600 * hours + 60 * minutes + seconds + thousandths / 1000
    assert parse_keep(f"{hours}h{minutes}m{seconds}.{thousandths:03}s") == pytest.approx(whole)


@given(st.text(max_size=70) | st.integers() | st.floats() | st.booleans() | st.none())
def test_whatever_is_written_is_a_number_or_a_value_error(written: object) -> None:
    try:
        seconds = parse_keep(written)
    except ValueError:
        return
    assert seconds >= 0
    assert seconds <= LONGEST or not isfinite(seconds)


def test_a_ttl_is_whole_seconds_over_zero() -> None:
    assert parse_ttl(300) == 300.0
    for written in (0, -1, 1.5, "300", True, None, 10**400):
        with pytest.raises(ValueError, match="whole number"):
            parse_ttl(written)


@pytest.mark.parametrize(
    ("seconds", "line"), [(300.0, b'{"seconds":300.0}'), (0.0, b'{"seconds":0.0}'), (inf, b'{"seconds":null}')]
)
def test_the_wish_crosses_as_json_and_comes_back(seconds: float, line: bytes) -> None:
    assert KeepWish.of(seconds).model_dump_json().encode() == line
    assert KeepWish.model_validate_json(line).lasting == seconds


@pytest.mark.parametrize(
    "line", [b"{}", b'{"seconds":-1}', b'{"seconds":"5m"}', b'{"seconds":1e300}', b'{"seconds":1,"x":2}']
)
def test_a_wish_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        KeepWish.model_validate_json(line)
