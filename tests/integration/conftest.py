"""One real stack per runtime for the whole session: engines take most of a minute to start."""

from collections.abc import Iterator

import pytest

from tests.integration.stack import Stack, running_stack


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("process", marks=pytest.mark.engine),
        pytest.param("docker", marks=[pytest.mark.engine, pytest.mark.docker]),
    ],
)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
