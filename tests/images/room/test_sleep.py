"""Sleep on the CPU, as the machine sees it."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


def test_freed_memory_goes_back_to_the_machine_and_not_to_the_process_s_own_store(
    probe: Callable[[str, str], Facts],
) -> None:
    facts = probe("resting", "sd15")
    assert facts["held when freed"] > 0.8 * facts["taken"], "it was in the process's store"
    assert facts["held asleep"] < 0.1 * facts["taken"]
