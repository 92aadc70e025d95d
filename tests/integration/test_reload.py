"""`models.json` edited under a running manager and proxy, as local processes; the engines are mock engines."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import Stream
from openai.types.chat import ChatCompletionChunk

from tests.integration.stack import Stack, eventually, running

pytestmark = pytest.mark.timeout(180)

Entries = dict[str, dict[str, Any]]


def mock(*, tokens: int = 5, rate: float = 100, load: float = 0, **entry: Any) -> dict[str, Any]:  # noqa: ANN401
    """An entry whose engine says so many tokens, so many a second, after a load of so many seconds."""
    told = {"tokens": tokens, "tokens-per-second": rate, "load-seconds": load}
    return {"type": "text", "engine": "mock", "memory": "64MiB", "args": told} | entry


WORDS = 40


def slow() -> dict[str, Any]:
    """One whose answer of so many words takes two seconds."""
    return mock(tokens=WORDS, rate=20)


@dataclass
class Box:
    """A stack and its `models.json`. Every version of the file names one more model, a mark of its own."""

    stack: Stack
    file: Path
    versions: Iterator[int] = field(default_factory=count)

    def write(self, entries: Entries) -> str:
        """Returns the version's mark."""
        mark = f"version-{next(self.versions)}"
        self.write_text(json.dumps(entries | {mark: {"type": "task"}}, indent=2))
        return mark

    def write_text(self, content: str) -> None:
        """As a careful editor does it: a new file takes the old one's place."""
        new = self.file.with_suffix(".new")
        new.write_text(content)
        new.replace(self.file)

    def change(self, entries: Entries) -> None:
        """Until the proxy knows this version of the file."""
        mark = self.write(entries)
        eventually(lambda: mark in self.listed(), f"lists {entries}", 10)

    def listed(self) -> list[str]:
        return [model.id for model in self.stack.client().models.list()]

    @property
    def models(self) -> list[str]:
        """What is listed, but for the mark."""
        return [name for name in self.listed() if not name.startswith("version-")]

    def health(self) -> dict[str, str]:
        answer: dict[str, str] = httpx.get(f"{self.manager_url}/health", trust_env=False).json()
        return answer

    @property
    def manager_url(self) -> str:
        return f"http://127.0.0.1:{self.stack.manager_port}"

    @property
    def token(self) -> dict[str, str]:
        return {"authorization": f"Bearer {(self.stack.folder / 'run' / 'token').read_text()}"}

    def ask(self, model: str) -> int:
        """How many words the answer has."""
        answer = self.stack.client(timeout=60).chat.completions.create(model=model, messages=HELLO)
        return len((answer.choices[0].message.content or "").split())

    def stream(self, model: str) -> "Telling":
        return Telling(self.stack.client(timeout=60).chat.completions.create(model=model, messages=HELLO, stream=True))

    def identity(self, model: str) -> str:
        return self.stack.of(model).engine_identity()


HELLO: list[Any] = [{"role": "user", "content": "one two three four"}]


class Telling:
    """A stream that has begun to speak."""

    def __init__(self, stream: Stream[ChatCompletionChunk]) -> None:
        self._words = (chunk.choices[0].delta.content for chunk in stream if chunk.choices)
        self.said = [next(word for word in self._words if word)]

    def rest(self) -> int:
        """How many words it had in all, once it has ended by itself."""
        self.said += [word for word in self._words if word]
        return len(self.said)


@contextmanager
def box_in(folder: Path) -> Iterator[Box]:
    file = folder / "models.json"
    file.write_text(json.dumps({"first": mock()}))
    with running(Stack("process", folder, name="rhreload", catalogue=file)) as stack:
        yield Box(stack, file)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Its manager looks at the file oftener than once a second, for the tests' sake alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROUNDHOUSE_CATALOGUE_POLL", "0.1")
        with box_in(tmp_path_factory.mktemp("reload")) as made:
            yield made


def test_an_added_model_is_listed_within_three_seconds_and_answers(tmp_path: Path) -> None:
    with box_in(tmp_path) as box:
        box.write({"first": mock(), "second": mock(tokens=7)})
        eventually(lambda: "second" in box.models, "the second model is listed", 3)
        assert box.ask("second") == 7
        assert box.ask("first") == 5


def test_a_model_that_is_removed_while_it_speaks_is_heard_out_and_then_gone(box: Box) -> None:
    box.change({"first": mock(), "leaving": slow()})
    telling = box.stream("leaving")
    box.change({"first": mock()})
    with pytest.raises(openai.NotFoundError) as refused:
        box.ask("leaving")
    assert refused.value.code == "model_not_found"
    assert telling.rest() == WORDS
    eventually(lambda: not record_of(box, "leaving").exists(), "its engine has ended", 15)
    assert httpx.get(f"{box.manager_url}/models/leaving", headers=box.token, trust_env=False).status_code == 404


def record_of(box: Box, model: str) -> Path:
    return box.stack.folder / "run" / "engines" / f"{box.stack.of(model).container}.json"


def test_who_waits_for_a_model_that_is_removed_is_told_so_at_once(box: Box) -> None:
    box.change({"first": mock(), "late": mock(load=60)})
    with ThreadPoolExecutor() as people:
        asked = people.submit(box.ask, "late")
        eventually(lambda: box.stack.of("late").state() == "starting", "it loads", 10)
        box.change({"first": mock()})
        with pytest.raises(openai.NotFoundError, match=r"removed from models\.json") as refused:
            asked.result(timeout=10)
    assert refused.value.code == "model_removed"


def test_a_running_model_with_other_arguments_is_drained_and_replaced_and_who_asks_meanwhile_waits(box: Box) -> None:
    box.change({"one": slow()})
    telling, before = box.stream("one"), box.identity("one")
    box.write({"one": mock(tokens=9)})
    eventually(lambda: box.stack.of("one").state() == "draining", "the old engine drains", 10)
    with ThreadPoolExecutor() as people:
        asked = [people.submit(box.ask, "one") for _ in range(5)]
        assert telling.rest() == WORDS
        assert [answer.result(timeout=60) for answer in asked] == [9] * 5
    assert box.identity("one") != before


def test_other_times_and_rights_leave_the_engine_alone(box: Box) -> None:
    box.change({"one": mock()})
    box.ask("one")
    before = box.identity("one")
    calm: dict[str, Any] = {
        "idle_timeout": 1000,
        "asleep_timeout": 2000,
        "pin": True,
        "default_for": ["text"],
        "requires": {},
    }
    box.change({"one": mock(**calm), "two": mock()})
    answer = httpx.post(f"{box.stack.base_url}/v1/chat/completions", json={"messages": HELLO}, trust_env=False)
    assert answer.json()["model"] == "one", "it is the default for text now"
    assert box.identity("one") == before


def test_a_shorter_idle_time_is_heeded_by_the_engine_that_runs(box: Box) -> None:
    box.change({"one": mock()})
    box.ask("one")
    assert box.stack.of("one").state() == "ready"
    box.change({"one": mock(idle_timeout=0.5)})
    eventually(lambda: box.stack.of("one").state() in {"asleep", "stopped"}, "it is put away", 15)


def test_an_engine_whose_times_were_changed_is_adopted_by_the_next_manager(box: Box) -> None:
    box.change({"one": mock()})
    box.ask("one")
    before = box.identity("one")
    box.change({"one": mock(idle_timeout=500), "two": mock()})
    box.stack.end("manager", signal.SIGKILL)
    box.stack.start("manager")
    assert box.ask("one") == 5
    assert box.identity("one") == before


def test_an_alias_that_was_added_is_routed(box: Box) -> None:
    box.change({"one": mock()})
    assert box.ask("one") == 5
    with pytest.raises(openai.NotFoundError):
        box.ask("uno")
    box.change({"one": mock(aliases=["uno"])})
    assert box.ask("uno") == 5


def test_a_renamed_model_keeps_its_container_and_who_listens_is_heard_out(box: Box) -> None:
    box.change({"old": slow() | {"container": "rhreload-shared"}})
    telling = box.stream("old")
    box.change({"new": mock(tokens=3, container="rhreload-shared")})
    with ThreadPoolExecutor() as people:
        asked = people.submit(box.ask, "new")
        assert telling.rest() == WORDS
        assert asked.result(timeout=60) == 3


def test_a_model_that_was_taken_out_and_put_back_at_once_answers_as_it_is_written_now(box: Box) -> None:
    box.change({"one": slow(), "two": mock()})
    telling = box.stream("one")
    box.change({"two": mock()})
    box.change({"one": mock(tokens=4), "two": mock()})
    with ThreadPoolExecutor() as people:
        asked = people.submit(box.ask, "one")
        assert telling.rest() == WORDS
        assert asked.result(timeout=60) == 4


class Listener:
    """What `/events` of the manager says, for the length of the block."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.lines: list[str] = []
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._over = False

    def __enter__(self) -> "Listener":
        self._thread.start()
        assert self._open.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.box.change({"one": mock()})  # one more event
        self._thread.join(20)

    def _listen(self) -> None:
        url = f"{self.box.manager_url}/events"
        with httpx.stream("GET", url, headers=self.box.token, trust_env=False, timeout=20) as answer:
            self._open.set()
            for line in answer.iter_lines():
                self.lines.append(line)
                if self._over:
                    return

    def events(self, kind: str) -> list[str]:
        """The data of such events."""
        return [self.lines[at + 1] for at, line in enumerate(self.lines[:-1]) if line == f"event: {kind}"]


BROKEN = {
    "half of it": ('{"one": {"type": "te', "the file: not valid JSON"),
    "a model twice": ('{"one": {"type": "text"}, "one": {"type": "text"}}', "the key 'one' stands twice"),
    "an unknown engine": ('{"one": {"type": "text", "engine": "steam"}}', "one.engine: 'steam': write one of"),
    "an argument that is not allowed": (
        '{"one": {"type": "text", "engine": "mock", "args": {"host": "0.0.0.0"}}}',
        "one: not allowed",
    ),
    "nothing": ("", "the file: not valid JSON"),
    "too much": (" " * 5_000_000, "keep it under 4194304 bytes"),
}


def test_a_broken_file_changes_nothing_and_is_complained_of_everywhere_until_it_is_mended(box: Box) -> None:
    box.change({"one": mock()})
    box.ask("one")
    before = box.identity("one")
    with Listener(box) as listener:
        for content, words in BROKEN.values():
            box.write_text(content)
            eventually(lambda words=words: words in box.health().get("catalogue", ""), words, 10)  # type: ignore[misc]
            assert box.health()["status"] == "degraded"
            assert box.ask("one") == 5
            assert box.models == ["one"]
        os.unlink(box.file)
        eventually(lambda: "No such file" in box.health().get("catalogue", ""), "the file is missed", 10)
        assert box.ask("one") == 5
        catalogues = len(listener.events("catalogue"))
        box.change({"one": mock()})
        eventually(lambda: len(listener.events("catalogue")) > catalogues, "the complaint is taken back", 10)
    told = [json.loads(line.removeprefix("data: "))["reason"] for line in listener.events("catalogue_refused")]
    assert len(told) == len(BROKEN) + 1
    assert all(words in reason for (_, words), reason in zip(BROKEN.values(), told[:-1], strict=True))
    assert all(words in box.stack.log_of("manager") for _, words in BROKEN.values())
    assert box.identity("one") == before


def test_who_listens_anew_hears_of_the_complaint(box: Box) -> None:
    box.change({"one": mock()})
    box.write_text("[]")
    eventually(lambda: box.health()["status"] == "degraded", "the manager complains", 10)
    with Listener(box) as listener:
        eventually(lambda: listener.events("catalogue_refused") != [], "it is told", 10)


def test_every_request_is_answered_while_the_file_changes_all_the_time(box: Box) -> None:
    box.change({"one": mock()})
    stop = threading.Event()

    def ask_on() -> list[int]:
        answers = []
        while not stop.is_set():
            answers.append(box.ask("one"))
        return answers

    with ThreadPoolExecutor() as people:
        asked = [people.submit(ask_on) for _ in range(3)]
        for round_ in range(4):
            box.write({"one": mock(tokens=round_ + 1), f"other{round_}": mock()})
            time.sleep(1)
        stop.set()
        answers = [answer for each in asked for answer in each.result(timeout=60)]
    assert set(answers) <= {5, 1, 2, 3, 4}
    eventually(lambda: box.models == ["one", "other3"], "the last one stands", 10)
    assert box.ask("one") == 4
