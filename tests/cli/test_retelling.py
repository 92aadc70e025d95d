"""What is told of failed tests at the end of `./setup.sh test`, from reports that pytest wrote."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.retelling import FAILURES, LINES, retell

pytestmark = pytest.mark.usefixtures("bare_pytest")
TWO_WAYS = """
import pytest

@pytest.fixture
def broken():
    raise OSError("no such engine")

def test_good(): pass
def test_wrong(): assert 1 + 1 == 3, "sums"
def test_unready(broken): pass
"""
MANY_LINES = """
def test_wrong():
    raise ValueError(chr(10).join(map(str, range(100))))
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.xml"


def run_pytest(code: str, report: Path) -> None:
    tests = report.with_name("test_these.py")
    tests.write_text(code)
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", tests)
    subprocess.run(command, cwd=report.parent, stdout=subprocess.DEVNULL, check=False, timeout=60)


def test_a_failed_test_and_a_fixture_that_failed_are_told_by_name_and_cause(report: Path) -> None:
    run_pytest(TWO_WAYS, report)
    told = retell({"proxy": report})
    assert "== proxy: 2 failed" in told
    assert "test_these::test_wrong" in told
    assert "sums" in told
    assert "test_these::test_unready" in told
    assert "no such engine" in told
    assert "test_good" not in told


def test_a_run_in_which_nothing_failed_says_so(report: Path) -> None:
    run_pytest("def test_good(): pass", report)
    assert retell({"others": report}) == "\n== others: nothing failed\n"


def test_a_run_that_was_killed_left_no_report_and_that_is_told(report: Path) -> None:
    assert "== others: it ended without a report" in retell({"others": report})
    report.write_text("<testsuites><testsuite")
    assert "== others: it ended without a report" in retell({"others": report})


def test_of_a_long_failure_the_end_is_told(report: Path) -> None:
    run_pytest(MANY_LINES, report)
    told = retell({"proxy": report}).splitlines()
    assert len(told) <= LINES + 5
    assert any("ValueError" in line for line in told)


def test_of_very_many_failures_the_first_are_told_and_all_are_counted(report: Path) -> None:
    run_pytest("\n".join(f"def test_{number}(): assert not {number + 1}" for number in range(30)), report)
    told = retell({"proxy": report})
    assert "30 failed" in told
    assert told.count("test_these::test_") == FAILURES
