"""The difference between two readings of `models.json`, as a table and as properties."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.catalogue import ModelEntry
from manager.fixed import Fixed
from manager.supervision.reload import Difference, difference, identity_of
from tests.fakes.kind import TinyKind

KIND = TinyKind()
BASE: dict[str, Any] = {"type": ["text", "image", "video"], "source": "./small"}


def fixed(name: str = "a", created: int = 1, **entry: Any) -> Fixed:  # noqa: ANN401
    """An entry fitted to a box with one CPU, as far as the difference looks at it."""
    read = ModelEntry.model_validate(BASE | entry)
    return Fixed(
        name=name,
        entry=read,
        kind=KIND,
        container=read.container or f"box-{name}",
        grant=read.memory or 100,
        declared=read.memory is not None,
        weights_size=10,
        places=((read.devices or ("cpu",)),),
        idle_timeout=1800 if read.idle_timeout is None else read.idle_timeout,
        asleep_timeout=21_600 if read.asleep_timeout is None else read.asleep_timeout,
        drain_bound=120,
        created=created,
    )


def changed(old: dict[str, Any], new: dict[str, Any]) -> Difference:
    """The difference where one model's entry says `new` and not `old`."""
    return difference({"a": fixed(**old)}, {"a": fixed(created=2, **new)})


REPLACED, ADJUSTED, SAME = Difference(replaced=("a",)), Difference(adjusted=("a",)), Difference()

CHANGES: tuple[tuple[str, Any, Any, Difference], ...] = (
    ("type", "text", "image", REPLACED),
    ("type", "text", ["text"], SAME),
    ("container", None, "another", REPLACED),
    ("container", None, "box-a", ADJUSTED),
    ("port", None, 9000, REPLACED),
    ("source", "./small", "./large", REPLACED),
    ("revision", None, "v2", REPLACED),
    ("digest", None, f"sha256:{64 * 'a'}", REPLACED),
    ("engine", None, "tiny", ADJUSTED),
    ("args", {"max-model-len": 1024}, {"max-model-len": 2048}, REPLACED),
    ("args", {"max-model-len": 1024}, {}, REPLACED),
    ("args", {"eager": True}, {"eager": 1}, REPLACED),
    ("args", {"share": 1}, {"share": 1.0}, REPLACED),
    ("args", {"one": 1, "two": 2}, {"two": 2, "one": 1}, SAME),
    ("env", {}, {"LEVEL": "info"}, REPLACED),
    ("memory", "1GiB", "2GiB", REPLACED),
    ("memory", "1GiB", 2**30, SAME),
    ("devices", [], ["cuda:0"], REPLACED),
    ("requires", {}, {"memory": "1GiB"}, ADJUSTED),
    ("idle_timeout", None, 60, ADJUSTED),
    ("asleep_timeout", 60, 0, ADJUSTED),
    ("pin", False, True, ADJUSTED),
    ("preload", False, True, ADJUSTED),
    ("aliases", [], ["small"], REPLACED),  # an engine is told its names, and refuses others
    ("defaults", {}, {"temperature": 0.5}, REPLACED),
    ("default_for", [], ["text"], ADJUSTED),
    ("keyframe", None, "painter", ADJUSTED),  # the proxy asks that one for a picture, not the engine
)


@pytest.mark.parametrize(("key", "before", "after", "expected"), CHANGES)
def test_a_changed_key_touches_the_engine_only_where_the_engine_is_told_it(
    key: str, before: object, after: object, expected: Difference
) -> None:
    assert changed({key: before}, {key: after}) == expected
    assert changed({key: after}, {key: before}) == expected


def test_the_table_has_every_key_of_an_entry() -> None:
    assert {key for key, *_ in CHANGES} == set(ModelEntry.model_fields)


def test_an_engine_that_is_told_something_is_replaced_whatever_else_changed() -> None:
    assert changed({"pin": False, "port": 1}, {"pin": True, "port": 2}) == REPLACED


def test_another_engine_of_the_same_entry_is_another_engine() -> None:
    old = fixed()
    assert difference({"a": old}, {"a": replace(old, kind=TinyKind(name="other"))}) == REPLACED


def test_a_model_that_the_box_can_no_longer_run_gives_its_engine_up() -> None:
    old, new = fixed(), replace(fixed(requires={"gpus": 1}), lacks="needs 1 NVIDIA GPU")
    assert difference({"a": old}, {"a": new}) == REPLACED
    assert difference({"a": new}, {"a": old}) == REPLACED


def test_weights_that_came_meanwhile_change_nothing() -> None:
    old = fixed()
    assert difference({"a": old}, {"a": replace(old, weights_size=999, grant=999, here=False, created=5)}) == SAME


@pytest.mark.parametrize(("key", "before", "after", "expected"), CHANGES)
def test_what_was_learned_of_an_engine_holds_as_long_as_it_is_told_the_same(
    key: str, before: object, after: object, expected: Difference
) -> None:
    entries: tuple[dict[str, Any], ...] = ({key: before}, {key: after})
    old, new = (fixed(**entry) for entry in entries)
    assert (identity_of(old) == identity_of(new)) == (expected != REPLACED or key == "container")


def test_what_was_learned_of_one_model_or_engine_is_not_said_of_another() -> None:
    model = fixed("a")
    assert len({identity_of(each) for each in (model, fixed("b"), replace(model, kind=TinyKind(name="other")))}) == 3


def test_a_renamed_model_is_one_less_and_one_more() -> None:
    old, new = {"a": fixed("a", container="box")}, {"b": fixed("b", container="box")}
    assert difference(old, new) == Difference(added=("b",), removed=("a",))


def test_names_keep_the_order_of_their_catalogue() -> None:
    old = {name: fixed(name) for name in ("z", "y", "x")}
    new = {name: fixed(name, pin=True) for name in ("c", "y", "b", "z")}
    assert difference(old, new) == Difference(added=("c", "b"), removed=("x",), adjusted=("y", "z"))


def keeps_its_rules(entry: dict[str, Any]) -> bool:
    types = (BASE | entry)["type"]
    return set(entry.get("default_for", ())) <= set(types) and (entry.get("keyframe") is None or "video" in types)


def test_a_difference_tells_itself_in_words() -> None:
    assert str(Difference()) == "no change"
    assert str(Difference(added=("a", "b"), adjusted=("c",))) == "added a, b; adjusted c"


VALUES = {key: [value for row in CHANGES if row[0] == key for value in row[1:3]] for key, *_ in CHANGES}
ENTRIES = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in VALUES.items()})
WRITTEN = st.dictionaries(st.sampled_from("abcde"), ENTRIES.filter(keeps_its_rules))


def read(written: dict[str, dict[str, Any]], created: int) -> dict[str, Fixed]:
    return {name: fixed(name, created, **entry) for name, entry in written.items()}


@given(WRITTEN)
def test_what_is_read_twice_differs_in_nothing(written: dict[str, dict[str, Any]]) -> None:
    assert difference(read(written, 1), read(written, 2)) == SAME


@given(WRITTEN, WRITTEN)
def test_every_model_is_in_one_group_at_most_and_a_changed_one_is_in_one(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> None:
    old, new = read(before, 1), read(after, 2)
    found = difference(old, new)
    groups = (found.added, found.removed, found.replaced, found.adjusted)
    named = [name for group in groups for name in group]
    assert len(named) == len(set(named))
    assert set(found.added) == new.keys() - old.keys()
    assert set(found.removed) == old.keys() - new.keys()
    assert {name for name in old.keys() & new.keys() if old[name].entry != new[name].entry} <= set(named)


@given(WRITTEN, WRITTEN)
def test_the_way_back_undoes_the_way_there(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    old, new = read(before, 1), read(after, 2)
    there, back = difference(old, new), difference(new, old)
    assert (back.added, back.removed) == (there.removed, there.added)
    assert set(back.replaced) == set(there.replaced)
    assert set(back.adjusted) == set(there.adjusted)
