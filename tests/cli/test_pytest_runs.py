"""Several runs of pytest side by side: what becomes of what failed in one of them."""

import signal
from pathlib import Path

import pytest

from cli.failures import Failure
from cli.pytest_runs import FEW, Run, begun, run_together, told

pytestmark = pytest.mark.usefixtures("bare_pytest")
GOOD = "def test_good(): pass\n"
BAD = "def test_bad(): assert 1 + 1 == 3\n"
BAD_ONCE = """
from pathlib import Path
def test_bad_once():
    seen = Path(__file__).with_name("seen")
    was_seen = seen.exists()
    seen.touch()
    assert was_seen, "under load"
"""
MANY_BAD = "".join(f"def test_{number}(): assert False\n" for number in range(FEW + 1))


def made(folder: Path, name: str, code: str) -> Run:
    where = folder / name
    where.mkdir()
    (where / f"test_{name}.py").write_text(code)
    return Run(name, (str(where),), "not long", folder / "logs")


@pytest.mark.parametrize(
    ("code", "status", "last_words"),
    [
        (GOOD, 0, ["those: nothing failed"]),
        (BAD_ONCE, 0, ["those: 1 failed", "under load", "what failed once more: nothing failed"]),
        (BAD, 1, ["those: 1 failed", "1 + 1 == 3", "what failed once more: 1 failed"]),
        (MANY_BAD, 1, [f"those: {FEW + 1} failed"]),
        ("import nowhere\n", 2, ["those: 1 failed", "nowhere"]),
    ],
    ids=["all good", "bad under load alone", "bad", "more bad than the load explains", "cannot run"],
)
def test_what_failed_is_run_once_more_alone_and_told_whatever_becomes_of_it(
    tmp_path: Path, code: str, status: int, last_words: list[str]
) -> None:
    run = made(tmp_path, "those", code)
    assert run_together(run, ()) == status
    end = told((run,))
    assert [words for words in last_words if words not in end] == []
    assert run.second_report.exists() == ("once more" in "".join(last_words))


def both(first: Run, second: Run) -> int:
    with begun(second) as running:
        return run_together(first, (running,))


def test_the_first_status_that_is_not_good_is_all_of_theirs_and_nothing_of_an_earlier_run_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = made(tmp_path, "first", GOOD), made(tmp_path, "second", BAD)
    assert both(first, second) == 1
    printed = capfd.readouterr().out
    assert printed.index("test_good PASSED") < printed.index("test_bad FAILED")
    assert "test_bad FAILED" in second.log.read_text()
    (tmp_path / "second" / "test_second.py").write_text(GOOD)
    assert both(first, second) == 0
    assert told((first, second)).count("nothing failed") == 2


def test_runs_that_have_begun_end_with_a_preparation_that_fails(tmp_path: Path) -> None:
    endless = made(tmp_path, "endless", "import time\ndef test_endless(): time.sleep(600)\n")
    with pytest.raises(Failure), begun(endless) as running:
        raise Failure("the images cannot be built", "Look into the log.")
    assert running.process.wait(10) == -signal.SIGTERM
