from collections.abc import Iterator

import pytest

from tests.fakes.hub import FakeHub, fake_hub
from tests.manager.hub_kit import FILES


@pytest.fixture
def served() -> Iterator[FakeHub]:
    """A hub with one repository."""
    with fake_hub(dict(FILES)) as hub:
        yield hub
