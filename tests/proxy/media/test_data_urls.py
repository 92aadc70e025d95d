"""Data URLs: what is one, and what of it is the type and what the content."""

import pytest

from proxy.media.data_urls import DataUrl, is_data_url, parse_data_url
from proxy.media.refusal import MediaRefused


@pytest.mark.parametrize(
    ("url", "media_type", "payload"),
    [
        ("data:image/png;base64,abcd", "image/png", "abcd"),
        ("DATA:Image/PNG;BASE64,AbCd", "image/png", "AbCd"),
        ("data:image/svg+xml;base64,a,b,c", "image/svg+xml", "a,b,c"),
        ("data:image/png;base64,", "image/png", ""),
        (f"data:image/{'a' * 109};base64,b", f"image/{'a' * 109}", "b"),
    ],
)
def test_a_data_url_is_a_type_and_all_that_follows_its_first_comma(url: str, media_type: str, payload: str) -> None:
    assert is_data_url(url)
    assert parse_data_url(url) == DataUrl(media_type, payload)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64",
        "data:image/png,abcd",
        "data:;base64,abcd",
        "data:,abcd",
        ",data:image/png;base64,abcd",
        " data:image/png;base64,abcd",
        "data:image/png;charset=utf-8;base64,abcd",
        f"data:image/{'a' * 110};base64,b",
        "",
    ],
)
def test_what_has_no_type_or_is_not_base64_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(MediaRefused) as raised:
        parse_data_url(url)
    assert raised.value.code == "invalid_media_url"
    assert "data:image/png;base64,..." in raised.value.reason


@pytest.mark.parametrize("url", ["http://a.example/", "data", "", " data:x", "xdata:"])
def test_what_does_not_begin_like_one_is_none(url: str) -> None:
    assert not is_data_url(url)
