"""Hazard J8: whatever is changed in a guard, a test notices. mutmut makes the changes, one at a time."""

from pathlib import Path

import pytest

from tests.mutation.guards import GUARDS, Guard
from tests.mutation.mutants import Mutants


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_no_change_of_a_guard_goes_unnoticed(tmp_path: Path, guard: Guard) -> None:
    mutants = Mutants(guard, tmp_path)
    survivors = [each for each in mutants.run() if not each.is_of_words_only]
    unnoticed = [each for each in survivors if guard.equivalent.keys().isdisjoint(each.added)]
    counts = ", ".join(f"{number} {status}" for status, number in mutants.statuses.items())
    print(counts)
    assert not unnoticed, f"{counts}; of these went unnoticed\n\n" + "\n\n".join(map(str, unnoticed))
    assert mutants.statuses["killed"] > 50, "there is nothing to notice"
    assert guard.equivalent.keys() <= {line for each in survivors for line in each.added}
