import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.sizes import parse_bytes, show_bytes


@pytest.mark.parametrize(
    ("written", "amount"),
    [("8GiB", 8 * 2**30), ("500MB", 500 * 10**6), ("1.5 GiB", 3 * 2**29), ("0", 0), (17, 17), ("2kb", 2000)],
)
def test_sizes_are_read_as_people_write_them(written: object, amount: int) -> None:
    assert parse_bytes(written) == amount


@pytest.mark.parametrize("written", ["", "GiB", "-1", "8 Gigs", True, -5, 1.5, None, "1e9", "9" * 40 + "TiB", 10**400])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="amount of memory"):
        parse_bytes(written)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_shown_size_reads_back_within_a_percent(amount: int) -> None:
    assert abs(parse_bytes(show_bytes(amount)) - amount) <= amount / 100
