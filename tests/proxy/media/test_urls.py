"""The corpus of URLs that must lead nowhere (C1, C4), and which addresses count as public (C2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.media.refusal import MediaRefused
from proxy.media.urls import Target, is_public, parse_url, require_allowed

LONG_NAME = "a." * 124 + "a.com"  # of 253 letters, the most that a name has
NO_NAME_OF_A_HOST = [
    f"http://a{LONG_NAME}/",
    "http://a.example:1/" + "a" * 4078,
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://0x7f000001/",
    "http://a.0x7f/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.17.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://8.8.8.8/",
    "http://1.2.3/",
    "http://[::1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1%25eth0]/",
    "http://localhost/",
    "http://manager:8090/",
    "http://vllm/",
    "http://pictures.example./",
    "http://user@pictures.example/",
    "http://user:word@pictures.example/",
    "http://pictures.example@127.0.0.1/",
    "http://pictures.example\\@127.0.0.1/",
    "http://pictures.example\\.evil.example/",
    "http:\\\\pictures.example/",
    "http:/pictures.example/",
    "http:///pictures.example/",
    "//pictures.example/",
    "http://pictures.example /",
    " http://pictures.example/",
    "http://pictures.example/\n",
    "http://pictures.exam\tple/",
    "http://pictures.example/a b",
    "http://pictures.example/a\r\nhost: x",
    "http://pictures.example/%00.png",
    "http://pictures.example/\x00",
    "http://pictures。example/",
    "http://１２７.0.0.1/",
    "http://ⓔxample.org/",
    "http://пример.example/",
    "http://-a.example/",
    "http://a..example/",
    "http://_a.example/",
    "http://pictures.example:0/",
    "http://pictures.example:65536/",
    "http://pictures.example:99999999/",
    "http://pictures.example:8o/",
    "http://pictures.example:/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a.".join([""] * 130) + "example/",
    "http://pictures.example/" + "a" * 5000,
    "file:///etc/passwd",
    "file://pictures.example/etc/passwd",
    "ftp://pictures.example/a.png",
    "gopher://pictures.example/a",
    "unix:///var/run/docker.sock",
    "blob:http://pictures.example/1",
    "javascript:alert(1)",
    "HTTP://pictures.example/",
    "https:pictures.example",
    "concat:http://pictures.example/a|b",
    "",
]


@pytest.mark.parametrize("url", NO_NAME_OF_A_HOST)
def test_what_is_no_plain_url_with_the_name_of_a_host_is_refused(url: str) -> None:
    with pytest.raises(MediaRefused) as raised:
        parse_url(url)
    assert raised.value.code == "invalid_media_url"
    assert "127.0.0.1" not in raised.value.reason


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://" + LONG_NAME, Target(False, LONG_NAME, 80, "/")),
        ("http://a.example:1/" + "a" * 4077, Target(False, "a.example", 1, "/" + "a" * 4077)),
        ("https://Pictures.Example", Target(True, "pictures.example", 443, "/")),
        ("http://pictures.example/a/b.png?w=1&h=%20#part", Target(False, "pictures.example", 80, "/a/b.png?w=1&h=%20")),
        ("https://pictures.example:8443?x=/?", Target(True, "pictures.example", 8443, "/?x=/?")),
        (
            "https://xn--bcher-kva.example/(1)~@:!$&'*+,;=[]",
            Target(True, "xn--bcher-kva.example", 443, "/(1)~@:!$&'*+,;=[]"),
        ),
    ],
)
def test_a_plain_url_is_read_as_it_is(url: str, target: Target) -> None:
    assert parse_url(url) == target


@given(st.text(max_size=60).map(lambda rest: "http://" + rest) | st.text(max_size=60))
def test_whatever_is_read_can_end_no_line_and_names_no_address(url: str) -> None:
    try:
        target = parse_url(url)
    except MediaRefused:
        return
    asked = target.authority + target.path
    assert asked.isascii()
    assert not set(asked) & set("\r\n\t \\@\x00") - ({"@"} if "@" in target.path else set())
    assert not target.host.replace(".", "").isdigit()


@pytest.mark.parametrize(
    ("hosts", "url", "is_allowed"),
    [
        (set(), "https://pictures.example/", False),
        ({"pictures.example"}, "https://pictures.example/", True),
        ({"pictures.example"}, "http://pictures.example/", True),
        ({"pictures.example"}, "https://pictures.example:8443/", False),
        ({"pictures.example:8443"}, "https://pictures.example:8443/", True),
        ({"pictures.example:8443"}, "https://pictures.example/", False),
        ({"pictures.example"}, "https://evil.pictures.example/", False),
        ({"pictures.example"}, "https://pictures.example.evil.example/", False),
        ({"*"}, "https://pictures.example/", True),
        ({"*"}, "https://pictures.example:22/", False),
    ],
)
def test_only_hosts_that_the_operator_named_are_asked(hosts: set[str], url: str, is_allowed: bool) -> None:
    if is_allowed:
        require_allowed(parse_url(url), frozenset(hosts))
    else:
        with pytest.raises(MediaRefused, match=r" ROUNDHOUSE_MEDIA_HOSTS$") as raised:
            require_allowed(parse_url(url), frozenset(hosts))
        assert raised.value.code == "media_host_not_allowed"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "2001:0:1::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%1",
        "ff02::1",
        "fec0::1",
        "100::1",
        "name.example",
        "08.8.8.8",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_none_to_connect_to(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450::1"])
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)
