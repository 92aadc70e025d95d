"""What a query says is understood, or refused with the name of the value."""

import json
from pathlib import Path

import pytest

from tests.proxy.world import world

pytestmark = pytest.mark.anyio
LOGS = "/admin/models/small/logs"

WRONG = [
    ("lines=0", "lines"),
    ("lines=10001", "lines"),
    ("lines=", "lines"),
    ("lines=-1", "lines"),
    ("lines=5x", "lines"),
    ("lines=1000001", "lines"),
    ("lines=%EF%BC%95", "lines"),
    ("lines=5&lines=6", "lines"),
    ("follow=yes", "follow"),
    ("follow=", "follow"),
    ("follow=null", "follow"),
    ("follow=true&follow=false", "follow"),
]


@pytest.mark.parametrize(("query", "param"), WRONG)
async def test_a_value_that_makes_no_sense_is_a_400_that_names_it(tmp_path: Path, query: str, param: str) -> None:
    async with world(tmp_path) as w:
        answer = await w.get(f"{LOGS}?{query}")
        assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)
        assert w.manager.verbs == []


@pytest.mark.parametrize(
    ("query", "passed_on"),
    [
        ("", "lines=200&follow=false"),
        ("lines=00010", "lines=10&follow=false"),
        ("follow=True", "lines=200&follow=true"),
        ("follow=0&lines=10000", "lines=10000&follow=false"),
        ("else=1&lines=7", "lines=7&follow=false"),
    ],
)
async def test_what_is_understood_goes_on_and_nothing_else(tmp_path: Path, query: str, passed_on: str) -> None:
    async with world(tmp_path) as w:
        assert (await w.get(f"{LOGS}?{query}")).status == 200
        assert w.manager.verbs == [("GET", f"/models/small/logs?{passed_on}")]
