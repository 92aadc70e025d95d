"""`models.json` on a real disk, changed in all the ways that editors, tools and accidents change it."""

import asyncio
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType

import pytest

from contract.catalogue import Catalogue
from contract.catalogue_file import MAXIMUM_BYTES, CatalogueError, Problem
from manager.events import CatalogueEvent, CatalogueRead, CatalogueRefused
from manager.fixed import Fixed
from manager.supervision.catalogue_watch import LONGEST_REASON, CatalogueWatch

pytestmark = pytest.mark.anyio

NONE: Mapping[str, Fixed] = MappingProxyType({})
ONE, TWO = '{"one": {"type": "text"}}', '{"two": {"type": "text"}}'
_times = count(1_600_000_000)


def write(file: Path, content: str | bytes) -> None:
    """In place, with a time of its own: two writes within one tick of the disk's clock look alike."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    moment = next(_times)
    os.utime(file, (moment, moment))


def edit_in_secret(file: Path, content: str) -> None:
    """The size and the time of modification stay what they were."""
    before = file.stat()
    assert len(content) == before.st_size
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # until the disk's clock has moved on
        file.write_text(content)
        os.utime(file, ns=(before.st_mtime_ns, before.st_mtime_ns))


class Watched:
    """A watch and what it posted: the names of the models, or the complaint."""

    def __init__(self, file: Path, build: Callable[[Catalogue], Mapping[str, Fixed]] = lambda catalogue: NONE) -> None:
        self.events: list[CatalogueEvent] = []
        self.watch = CatalogueWatch(file, build, self.events.append, poll_seconds=0.005)

    async def look(self, times: int = 2) -> list[str]:
        """What those looks brought."""
        known = len(self.events)
        for _ in range(times):
            await self.watch.look()
        return [shown(event) for event in self.events[known:]]


def shown(event: CatalogueEvent) -> str:
    return ",".join(event.catalogue.models) if isinstance(event, CatalogueRead) else event.reason


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    write(path, ONE)
    return path


async def test_the_file_is_told_once_and_again_when_it_changed(file: Path) -> None:
    watched = Watched(file)
    assert await watched.look() == ["one"]
    assert await watched.look(5) == []
    write(file, TWO)
    assert await watched.look() == ["two"]
    assert await watched.look(5) == []


async def test_a_file_that_still_moves_is_left_until_it_rests(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    for end in range(5, len(TWO)):
        write(file, TWO[:end])
        assert await watched.look(1) == []
    write(file, TWO)
    assert await watched.look(1) == []
    assert await watched.look(1) == ["two"]


async def test_a_writer_that_pauses_half_way_is_complained_of_once_and_read_when_it_is_done(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    write(file, TWO[:10])
    [complaint] = await watched.look(6)
    assert "the file: not valid JSON" in complaint
    write(file, TWO)
    assert await watched.look() == ["two"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "write an object"),
        (b"\x00" * 40, "not valid JSON"),
        (ONE.encode("utf-16"), "utf-8"),
        (b'{"\xff": {"type": "text"}}', "utf-8"),
        ('{"a": {"type": "text"}, "a": {"type": "text"}}', "the key 'a' stands twice; keep one"),
        ('{"a": {"type": "text"}, "b": {"type": "text", "aliases": ["a"]}}', "b.aliases: the name 'a': taken by a"),
        ('{"a": {"type": "txt"}}', "a.type: 'txt': Input should be 'text'"),
        ('{"a": {"type": "text", "memroy": "1GiB"}}', "a.memroy: '1GiB': no such key; the keys are type"),
        (b" " * (MAXIMUM_BYTES + 1), f"{MAXIMUM_BYTES + 1} bytes: keep it under {MAXIMUM_BYTES} bytes"),
    ],
)
async def test_a_bad_file_is_refused_once_with_key_value_and_fix(file: Path, content: str | bytes, words: str) -> None:
    watched = Watched(file)
    await watched.look()
    write(file, content)
    [complaint] = await watched.look(6)
    assert complaint.startswith("models.json: ")
    assert words in complaint
    write(file, ONE)
    assert await watched.look() == ["one"], "the complaint is over, though nothing is new"


async def test_a_byte_order_mark_is_fine(file: Path) -> None:
    write(file, ONE.encode("utf-8-sig"))
    assert await Watched(file).look() == ["one"]


async def test_what_the_box_refuses_is_refused_with_its_reason(file: Path) -> None:
    def build(catalogue: Catalogue) -> Mapping[str, Fixed]:
        if "two" in catalogue.models:
            raise CatalogueError((Problem("two.engine", "'steam'", "write one of diffusers, vllm"),))
        return NONE

    watched = Watched(file, build)
    assert await watched.look() == ["one"]
    write(file, TWO)
    assert await watched.look(6) == ["models.json: two.engine: 'steam': write one of diffusers, vllm"]
    write(file, ONE)
    assert await watched.look() == ["one"]


async def test_another_fault_is_told_anew(file: Path) -> None:
    watched = Watched(file)
    write(file, "{")
    assert len(await watched.look()) == 1
    write(file, "[]")
    assert len(await watched.look()) == 1


async def test_a_hundred_megabytes_are_refused_unread(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    os.truncate(file, 100 * 2**20)
    tracemalloc.start()
    [complaint] = await watched.look()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "104857600 bytes: keep it under" in complaint
    assert peak < 2**20


async def test_a_complaint_stands_in_the_log(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, "[]")
    await Watched(file).look(6)
    assert [record.message for record in caplog.records] == [
        "models.json: the file: list: write an object, one key per model"
    ]


async def test_a_file_that_is_gone_is_told_once_and_its_return_is_told(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    os.unlink(file)
    assert await watched.look(6) == [
        "models.json: the file: No such file or directory: put a readable file in its place; "
        "what was read last stays in force"
    ]
    write(file, ONE)
    assert await watched.look() == ["one"]


async def test_a_replacement_by_an_editor_is_never_seen_as_a_gap(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    os.rename(file, f"{file}~")
    assert await watched.look(1) == []
    write(file, TWO)
    assert await watched.look() == ["two"]


def a_folder(file: Path) -> None:
    file.mkdir()


def a_pipe_without_a_writer(file: Path) -> None:
    os.mkfifo(file)


def a_link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def a_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def a_link_to_nothing(file: Path) -> None:
    file.symlink_to(file.parent / "nothing")


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (a_folder, "Is a directory"),
        (a_pipe_without_a_writer, "a pipe or a device"),
        (a_device, "a pipe or a device"),
        (a_link_to_itself, "Too many levels of symbolic links"),
        (a_link_to_nothing, "No such file or directory"),
    ],
)
async def test_what_is_no_file_is_refused_and_holds_nobody(file: Path, put: Callable[[Path], None], words: str) -> None:
    watched = Watched(file)
    await watched.look()
    os.unlink(file)
    put(file)
    [complaint] = await watched.look(6)
    assert words in complaint
    assert "put a readable file in its place" in complaint


async def test_a_link_that_is_turned_to_another_file_is_followed(tmp_path: Path) -> None:
    link, first, second = tmp_path / "models.json", tmp_path / "first", tmp_path / "second"
    first.write_text(ONE)
    second.write_text(TWO)
    os.utime(first, (1, 1))
    os.utime(second, (1, 1))
    link.symlink_to(first)
    watched = Watched(link)
    assert await watched.look() == ["one"]
    (tmp_path / "new").symlink_to(second)
    (tmp_path / "new").replace(link)
    assert await watched.look() == ["two"]


async def test_a_link_that_is_turned_away_and_back_takes_the_complaint_back(tmp_path: Path) -> None:
    link, first = tmp_path / "models.json", tmp_path / "first"
    first.write_text(ONE)
    link.symlink_to(first)
    watched = Watched(link)
    await watched.look()
    (tmp_path / "new").symlink_to(tmp_path / "nothing")
    (tmp_path / "new").replace(link)
    assert len(await watched.look()) == 1
    (tmp_path / "new").symlink_to(first)
    (tmp_path / "new").replace(link)
    assert await watched.look() == ["one"], "though the file is what it was"


async def test_a_linked_folder_that_is_turned_to_another_is_followed(tmp_path: Path) -> None:
    """As mounted configuration is exchanged under Kubernetes."""
    for name, content in (("first", ONE), ("second", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "models.json").write_text(content)
    (tmp_path / "data").symlink_to("first")
    watched = Watched(tmp_path / "data" / "models.json")
    assert await watched.look() == ["one"]
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").replace(tmp_path / "data")
    assert await watched.look() == ["two"]


async def test_an_edit_that_keeps_size_and_time_is_seen(file: Path) -> None:
    watched = Watched(file)
    await watched.look()
    edit_in_secret(file, TWO)
    assert await watched.look() == ["two"]


async def test_a_file_that_changes_under_the_reader_is_read_again(file: Path) -> None:
    def build(catalogue: Catalogue) -> Mapping[str, Fixed]:
        if "one" in catalogue.models:
            write(file, TWO)
        return NONE

    watched = Watched(file, build)
    assert await watched.look() == []
    assert await watched.look() == ["two"]


async def test_a_disk_that_fails_for_a_moment_is_asked_again(file: Path) -> None:
    faults = [OSError(5, "Input/output error")] * 3

    def build(catalogue: Catalogue) -> Mapping[str, Fixed]:
        if faults:
            raise faults.pop()
        return NONE

    watched = Watched(file, build)
    [complaint] = await watched.look(4)
    assert "Input/output error" in complaint
    assert await watched.look(3) == ["one"]


@pytest.mark.parametrize("name", ["\ud800", "\n", "\x1b[31m", "\u202e"])
async def test_a_complaint_can_be_printed_whatever_the_file_holds(file: Path, name: str) -> None:
    watched = Watched(file)
    write(file, json.dumps({f"bad{name}": 1}))
    [complaint] = await watched.look()
    assert complaint.isprintable()
    assert f"bad{ascii(name)[1:-1]}: this name" in complaint


@pytest.mark.parametrize("name", ["bad name", "\ud800"])
async def test_a_complaint_of_thousands_of_faults_is_cut(file: Path, name: str) -> None:
    watched = Watched(file)
    write(file, json.dumps({f"{name}{number}": 1 for number in range(10_000)}))
    [complaint] = await watched.look()
    assert len(complaint) == LONGEST_REASON
    assert complaint.endswith(" ...")


async def test_reading_never_holds_the_event_loop(file: Path) -> None:
    builders: list[int] = []

    def build(catalogue: Catalogue) -> Mapping[str, Fixed]:
        builders.append(threading.get_ident())
        return NONE

    await Watched(file, build).look()
    assert builders
    assert threading.get_ident() not in builders


async def test_it_watches_until_it_is_cancelled(file: Path) -> None:
    told: asyncio.Queue[CatalogueEvent] = asyncio.Queue()
    watch = CatalogueWatch(file, lambda catalogue: NONE, told.put_nowait, poll_seconds=0.005)
    task = asyncio.create_task(watch.run())
    assert shown(await told.get()) == "one"
    write(file, "{")
    assert isinstance(await told.get(), CatalogueRefused)
    assert "not valid JSON" in repr(watch)
    write(file, TWO)
    assert shown(await told.get()) == "two"
    assert repr(watch) == "<CatalogueWatch of models.json: good>"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
