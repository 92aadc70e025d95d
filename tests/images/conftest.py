"""Servers of tiny pipelines, shared by the tests of a session."""

from collections.abc import Iterator

import pytest

from tests.images.server import Engines


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """`engine("sd15")` is a ready server; the same one for every test that asks so."""
    engines = Engines(tmp_path_factory.mktemp("engines"))
    yield engines
    engines.close()
