"""One stack for all tests of this folder: its engines start once, and end with the last of them."""

from collections.abc import Iterator

import pytest

from tests.integration.endpoints.keyed import Caller, a_caller, running_keyed
from tests.integration.stack import Stack


@pytest.fixture(scope="package")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_keyed(tmp_path_factory.mktemp("endpoints"), "rhendpoints") as stack:
        yield stack


@pytest.fixture
def caller(keyed: Stack) -> Caller:
    return a_caller(keyed)
