"""One file from a hub on loopback, in this process and without waiting between tries."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from manager.weights.download import BrokenTransfer, Cached, Download, Ended, Patience, RemoteFile, wait_before
from tests.fakes.hub import COMMIT, REPOSITORY, FakeHub, fake_hub

CONTENT = bytes(range(256)) * 4096
NAME = "deep/model.safetensors"
AT_ONCE = Patience(tries=3, first_wait=0)


@pytest.fixture
def served() -> Iterator[FakeHub]:
    with fake_hub({NAME: CONTENT}) as hub:
        yield hub


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(follow_redirects=True) as client:
        yield client


def download(folder: Path, served: FakeHub, client: httpx2.Client, *, over: bool = False) -> Download:
    url = f"{served.endpoint}/{REPOSITORY}/resolve/{COMMIT}/{NAME}"
    file = RemoteFile(NAME, url, len(CONTENT), f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    place = Cached(folder / "models--org--tiny", COMMIT)
    (place.repository / "blobs").mkdir(parents=True, exist_ok=True)
    ended = threading.Event()
    if over:
        ended.set()
    return Download(client, place, file, ended)


def test_a_file_lies_in_the_cache_as_the_hubs_own_client_puts_it(
    tmp_path: Path, served: FakeHub, client: httpx2.Client
) -> None:
    wanted = download(tmp_path, served, client)
    wanted.run(AT_ONCE)
    pointer = wanted.place.pointer(wanted.file)
    assert pointer.read_bytes() == CONTENT
    assert pointer.readlink() == Path(f"../../../blobs/{wanted.file.blob}")
    assert not wanted.place.part(wanted.file).exists()


def test_what_is_here_is_not_asked_for(tmp_path: Path, served: FakeHub, client: httpx2.Client) -> None:
    download(tmp_path, served, client).run(AT_ONCE)
    again = download(tmp_path, served, client)
    again.place.pointer(again.file).unlink()  # of another commit, the blob is the same
    again.run(AT_ONCE)
    assert again.place.pointer(again.file).read_bytes() == CONTENT
    assert len(served.requests) == 1


def test_tries_that_bring_nothing_are_counted_and_those_that_bring_something_are_not(
    tmp_path: Path, served: FakeHub, client: httpx2.Client
) -> None:
    served.cuts, served.cut_after = 100, 64 * 1024  # sixteen pieces
    download(tmp_path, served, client).run(AT_ONCE)
    assert len(served.requests) == 16
    served.requests.clear()
    served.cuts, served.cut_after = 100, 0
    with pytest.raises(httpx2.RemoteProtocolError):
        download(tmp_path / "other", served, client).run(AT_ONCE)
    assert len(served.requests) == AT_ONCE.tries


def test_a_file_that_always_arrives_damaged_is_given_up(tmp_path: Path, served: FakeHub, client: httpx2.Client) -> None:
    served.damage[NAME] = [bytes(len(CONTENT))] * 100
    wanted = download(tmp_path, served, client)
    with pytest.raises(BrokenTransfer, match="another hash"):
        wanted.run(AT_ONCE)
    assert len(served.requests) == AT_ONCE.tries
    assert not wanted.place.blob(wanted.file).exists()


@pytest.mark.parametrize("part", [b"not the beginning", bytes(len(CONTENT)), CONTENT + b"more"])
def test_a_part_that_is_none_of_this_file_is_fetched_anew(
    tmp_path: Path, served: FakeHub, client: httpx2.Client, part: bytes
) -> None:
    wanted = download(tmp_path, served, client)
    wanted.place.part(wanted.file).write_bytes(part)
    wanted.run(AT_ONCE)
    assert wanted.place.pointer(wanted.file).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_not_asked_for(tmp_path: Path, served: FakeHub, client: httpx2.Client) -> None:
    wanted = download(tmp_path, served, client)
    wanted.place.part(wanted.file).write_bytes(CONTENT)
    wanted.run(AT_ONCE)
    assert served.requests == []


def test_a_file_system_without_links_gets_the_file_itself(
    tmp_path: Path, served: FakeHub, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(link: Path, target: str) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for _ in range(2):
        wanted = download(tmp_path, served, client)
        wanted.run(AT_ONCE)
        assert not wanted.place.pointer(wanted.file).is_symlink()
        assert wanted.place.bytes_here(wanted.file) == len(CONTENT)
    assert len(served.requests) == 1


def test_a_download_ends_between_two_pieces_where_another_has_failed(
    tmp_path: Path, served: FakeHub, client: httpx2.Client
) -> None:
    with pytest.raises(Ended):
        download(tmp_path, served, client, over=True).run(AT_ONCE)


def test_the_token_does_not_go_where_the_hub_redirects_to(
    tmp_path: Path, served: FakeHub, client: httpx2.Client
) -> None:
    with fake_hub({NAME: CONTENT}) as elsewhere:
        served.redirect_to = elsewhere.endpoint
        client.headers["authorization"] = "Bearer hf_canary"
        download(tmp_path, served, client).run(AT_ONCE)
        assert (served.tokens, elsewhere.tokens) == ({"Bearer hf_canary"}, {None})


@pytest.mark.parametrize(("asked", "seconds"), [("7", 7), ("3600", 60), ("soon", 2), ("", 2)])
def test_the_hub_may_say_how_long_to_wait(asked: str, seconds: float) -> None:
    response = httpx2.Response(429, headers={"retry-after": asked}, request=httpx2.Request("GET", "http://hub"))
    assert wait_before(HfHubHTTPError("too many", response=response), 2) == seconds
