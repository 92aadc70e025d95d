"""One real stack per runtime for the whole session: engines take most of a minute to start.

Tests that kill the Docker daemon are there only where the harness itself has started it.
"""

from collections.abc import Iterator

import pytest

from tests.harness import docker_engine
from tests.integration.stack import Stack, running_stack


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if docker_engine.ours(docker_engine.STATE) is not None:
        return
    left = [item for item in items if "harness" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


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
