"""The proxy's tests run on the loop that the proxy runs on, and some on a PostgreSQL, which they share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.access_log import AccessLog
from proxy.gateway.asgi import Scope
from tests.harness.postgres import Postgres
from tests.proxy.artifacts.shop import note_index
from tests.proxy.documented import Answer, undocumented


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def _every_answer_is_in_the_document(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In whatever test a proxy of this process answers, the OpenAPI document tells of that status."""
    seen: set[Answer] = set()
    record = AccessLog.record

    def note(log: AccessLog, scope: Scope, status: int, seconds: float, code: str | None) -> None:
        seen.add((scope["method"], scope["raw_path"].decode("latin-1"), status))
        record(log, scope, status, seconds, code)

    monkeypatch.setattr(AccessLog, "record", note)
    yield
    assert undocumented(seen) == []


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
