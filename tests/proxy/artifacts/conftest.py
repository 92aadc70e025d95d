"""An S3 server for all tests of a session, and a prefix of its bucket for each that wants one."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy.artifacts.buckets import Bucket
from tests.proxy.artifacts.s3_server import S3Server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> Bucket:
    """The files of the store at `tmp_path` are in a bucket."""
    made = Bucket(s3_server.url, f"test/{secrets.token_hex(8)}/")
    made.note(tmp_path)
    return made


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest) -> None:
    """Twice: with the store's files on the disk, and in a bucket."""
    if request.param == "bucket":
        request.getfixturevalue("bucket")
