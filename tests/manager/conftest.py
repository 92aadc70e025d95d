from collections.abc import Iterator

import pytest

from manager.running import watch
from tests.fakes.hub import FakeHub, fake_hub
from tests.manager.hub_kit import FILES
from tests.manager.stage import look_every


@pytest.fixture
def served() -> Iterator[FakeHub]:
    """A hub with one repository."""
    with fake_hub(dict(FILES)) as hub:
        yield hub


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watched engine's exit and work are looked for many times a second."""
    monkeypatch.setattr(watch, "EXIT_SECONDS", 0.05)
    look_every(monkeypatch, 0.1)
