"""What failed in the runs of the tests, told once more as the last of what is printed.

Of a long output often only the end is kept; it must not hide which test failed and why.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

LINES = 25
"""Of each failure, its last ones: the assertion and what it compared."""
FAILURES = 12
"""Of each run; the others are in its own output."""


def retell(reports: dict[str, Path]) -> str:
    """The failures in each run's JUnit report, or that a run ended without one."""
    return "".join(f"\n== {name}: {_retold(report)}" for name, report in reports.items())


def count_failures(report: Path) -> int:
    """0 where there is no report."""
    try:
        return len(list(_failures(ElementTree.parse(report))))
    except (OSError, ElementTree.ParseError):
        return 0


def _retold(report: Path) -> str:
    try:
        suite = ElementTree.parse(report)
    except (OSError, ElementTree.ParseError) as error:
        return f"it ended without a report ({error})\n"
    failures = list(_failures(suite))
    if not failures:
        return "nothing failed\n"
    return f"{len(failures)} failed\n" + "".join(failures[:FAILURES])


def _failures(suite: "ElementTree.ElementTree[ElementTree.Element]") -> Iterator[str]:
    for case in suite.iter("testcase"):
        for kind in ("failure", "error"):
            for told in case.iter(kind):
                lines = (told.text or "").rstrip().splitlines()
                yield "\n".join((f"-- {case.get('classname')}::{case.get('name')}", *lines[-LINES:], ""))
