"""One engine of every type for the tests that leave it as it was; its requests say what is to go wrong."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.mock.server import Mock, running


@pytest.fixture(scope="session")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    flags = ("--types", "text,image,edit", "--knobs-in-requests", "--tokens-per-second", "0", "--step-seconds", "0")
    with running(tmp_path_factory.mktemp("mock"), *flags) as mock:
        yield mock


@pytest.fixture
def sdk(mock: Mock) -> Iterator[OpenAI]:
    with mock.sdk() as sdk:
        yield sdk
