"""The proxy's tests run on the loop that the proxy runs on, and some on a PostgreSQL, which they share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.postgres import Postgres
from tests.proxy.artifacts.shop import note_index


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A place in it that is empty."""
    return postgres.new_url()


@pytest.fixture(params=["sqlite", "postgres"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """For tests of the store that hold for either index."""
    if request.param == "postgres":
        note_index(tmp_path, request.getfixturevalue("postgres_url"))
