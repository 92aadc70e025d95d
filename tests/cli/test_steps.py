"""Steps print name, progress and time; a failing program is told with its last lines and what to do."""

import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cli.failures import Failure
from cli.steps import Steps


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def steps(output: io.StringIO, tmp_path: Path) -> Steps:
    return Steps(Console(file=output, width=100), tmp_path / "logs" / "setup.log")


def test_a_step_prints_its_name_its_progress_and_how_long_it_took(steps: Steps, output: io.StringIO) -> None:
    with steps.step("model [small]") as step:
        step.say("fetching [93 MB]")
        step.done("from a package")
    lines = output.getvalue().splitlines()
    assert lines[0] == "..    model [small]"
    assert lines[1] == "      fetching [93 MB]"
    assert re.fullmatch(r"ok    model \[small\]  \d+\.\d s  from a package", lines[2])


def test_a_failing_step_is_marked_and_its_failure_goes_on(steps: Steps, output: io.StringIO) -> None:
    with pytest.raises(Failure, match="no luck"), steps.step("model"):
        raise Failure("no luck", "try again")
    assert "FAIL  model" in output.getvalue()


def test_a_programs_lines_are_progress_and_kept_in_the_log(steps: Steps, output: io.StringIO) -> None:
    with steps.step("count") as step:
        step.run((sys.executable, "-c", "print('one'); print('two')"), remedy="")
    assert "      one\n      two\n" in output.getvalue()
    assert "one\ntwo\n" in steps.log.read_text()


def test_a_program_that_fails_gives_status_last_lines_and_remedy(steps: Steps) -> None:
    script = "import sys; print('because'); sys.exit(7)"
    with pytest.raises(Failure) as caught, steps.step("fail") as step:
        step.run((sys.executable, "-c", script), remedy="Mend it.")
    assert "status 7" in caught.value.cause
    assert caught.value.log_tail == ("because",)
    assert caught.value.remedy.startswith("Mend it.")


def test_a_program_that_is_not_there_is_a_failure_too(steps: Steps) -> None:
    with pytest.raises(Failure, match="cannot be run"), steps.step("fail") as step:
        step.run(("/nowhere/at/all",), remedy="Install it.")


def test_output_that_is_not_utf8_is_shown_all_the_same(steps: Steps, output: io.StringIO) -> None:
    with steps.step("bytes") as step:
        step.run((sys.executable, "-c", "import os; os.write(1, bytes([255, 10]))"), remedy="")
    assert "\ufffd" in output.getvalue()
