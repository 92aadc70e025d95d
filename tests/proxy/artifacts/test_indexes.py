"""Both indexes tell the same, whatever was done to them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.artifacts import ArtifactKind, Sidecar
from proxy.artifacts.facts import Query
from proxy.artifacts.index import MICRO, Index, QuotaExceeded
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.lookup import BadCursor, IndexSource, Lookup, cursor_of
from proxy.artifacts.names import new_id
from proxy.artifacts.postgres.source import PostgresSource
from proxy.artifacts.sqlite.source import SqliteSource
from tests.harness.postgres import Postgres, server_at

ME, YOU = "me", "you"
# Words that one language's rules, or one way to write them, would make others of.
WORDS = ("ball", "balls", "Ball", "bal", "a", "the", "café", "cafe\u0301s", "foo_bar", "foo-bar", "straße", "STRASSE")
MORE = ("猫", "ﬁsh", "٣٤", "x@y.org", "1.5", "NOT", "OR", "'", '"', "\\", ":*", "&", "o" + "0" * 32, "i̇stanbul", "नमस्ते")
TEXTS = st.lists(st.sampled_from(WORDS + MORE), max_size=5).map(" ".join) | st.text(max_size=12)
OWNERS = st.sampled_from((ME, YOU, ""))
KINDS = st.sampled_from((ArtifactKind.IMAGE, ArtifactKind.VIDEO, ArtifactKind.FILE))
MODELS = st.sampled_from((None, "painter", "filmer"))
PURPOSES = st.sampled_from((None, None, "vision", "batch"))
SECONDS = st.integers(0, 6).map(lambda number: number / 2)


def sidecar(number: int, **told: object) -> Sidecar:
    """An artifact whose id and content are its number's."""
    what = {"kind": "image", "mime": "image/png", "size": 10, "sha256": f"{number:064x}", "created": 0.0, "owner": ME}
    return Sidecar.model_validate({"id": f"art_{number:032x}", **what, **told})


@st.composite
def artifacts(draw: st.DrawFn) -> list[Sidecar]:
    """Some of many at one time, with equal contents and parents among them."""
    made: list[Sidecar] = []
    for number in range(draw(st.integers(1, 9))):
        told: dict[str, Any] = {
            "owner": draw(OWNERS),
            "kind": draw(KINDS),
            "model": draw(MODELS),
            "purpose": draw(PURPOSES),
        }
        told |= {"created": draw(SECONDS), "prompt": draw(TEXTS), "sha256": f"{draw(st.integers(0, 2)):064x}"}
        told |= {"expires": draw(st.none() | SECONDS), "size": draw(st.integers(0, 20))}
        parents = [each.id for each in made if each.owner == told["owner"]]
        told["parents"] = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else ()
        made.append(sidecar(number, **told))
    return made


QUERIES = st.builds(
    Query,
    kinds=st.lists(KINDS, max_size=2, unique=True).map(tuple),
    model=st.sampled_from((None, None, "painter", "nul\0")),
    text=st.none() | TEXTS,
    since=st.none() | SECONDS,
    until=st.none() | SECONDS,
    purpose=st.sampled_from((None, None, "vision")),
    uploaded=st.sampled_from((None, None, True, False)),
    oldest_first=st.booleans(),
    limit=st.integers(1, 4),
)


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> IndexSource:
    if request.param == "sqlite":
        return SqliteSource(tmp_path)
    return PostgresSource(server_at(request.getfixturevalue("postgres_url")))


@pytest.fixture
def index(source: IndexSource) -> Iterator[Index]:
    with closing(source.open_index()) as opened:
        yield opened


@pytest.fixture
def lookup(index: Index, source: IndexSource) -> Iterator[Lookup]:
    with closing(source.open_lookup()) as opened:
        yield opened


def all_pages(lookup: Lookup, owner: str, query: Query) -> list[tuple[int, str]]:
    """Every row of a listing, page after page; by cursors and by ids in turn."""
    found: list[tuple[int, str]] = []
    while rows := lookup.page(owner, query):
        shown = rows[: query.limit]
        found += [(row.number, row.id) for row in shown]
        query = replace(query, after=shown[-1].id if len(found) % 2 else cursor_of(shown[-1]))
    return found


def state(index: Index, lookup: Lookup, made: list[Sidecar]) -> list[object]:
    """All that an index tells but for listings."""
    one = made[0]
    told: list[object] = [index.ids(), index.gone(), [index.used(owner) for owner in (ME, YOU, None)]]
    told += [sorted(each.id for each in index.expired(1.0, 100)), lookup.after(0, 100), lookup.find(YOU, one.id)]
    told += [lookup.children(owner, [each.id for each in made]) for owner in (ME, YOU)]
    told += [lookup.like(one.sha256, one.size, one.id), lookup.equals(ME, one.sha256, one.id), index.has_twin(one)]
    return [*told, lookup.same(ME, one.sha256, "vision"), one.id in index, lookup.find(None, one.id)]


@pytest.fixture(scope="module")
def both(postgres: Postgres) -> Iterator[tuple[tuple[Index, Lookup], tuple[Index, Lookup]]]:
    with TemporaryDirectory() as folder:
        sources: tuple[IndexSource, ...] = (SqliteSource(Path(folder)), PostgresSource(server_at(postgres.new_url())))
        first, second = ((each.open_index(), each.open_lookup()) for each in sources)
        yield first, second
        for part in (*first, *second):
            part.close()


@settings(max_examples=40)
@given(
    made=artifacts(),
    queries=st.lists(st.tuples(OWNERS, QUERIES), min_size=1, max_size=4),
    gone=st.sets(st.integers(0, 9)),
)
def test_listings_searches_and_pages_are_the_same_of_both(
    both: tuple[tuple[Index, Lookup], tuple[Index, Lookup]],
    made: list[Sidecar],
    queries: list[tuple[str, Query]],
    gone: set[int],
) -> None:
    told = []
    for index, lookup in both:
        for each in made:
            index.add(each)
        for number in gone & set(range(len(made))):
            index.remove(made[number].id, 5.0)
        told.append((state(index, lookup, made), [all_pages(lookup, *query) for query in queries]))
        for each in made:
            index.remove(each.id, 5.0)
        index.forget_gone(6.0)
        assert (index.ids(), index.gone(), index.used(None).count) == ({}, set(), 0)
    assert told[0] == told[1]


SEARCHES = {
    "ball": {"two balls", "Ball"},
    "bal": {"two balls", "Ball"},
    "CAFES": {"cafe\u0301s"},
    "café": {"cafe\u0301s"},
    "foo_bar": {"foo-bar baz", "foo_bar"},
    "bar foo": {"foo-bar baz", "foo_bar"},
    "strass": {"Straße"},
    "two ball": {"two balls"},
    "balls two": {"two balls"},
    "wo": set(),
    "'": set(),
    "OR": set(),
    "": set(),
    "fi": {"ﬁsh"},
}


def test_words_are_found_by_their_beginning_in_any_case_and_without_marks(index: Index, lookup: Lookup) -> None:
    for number, prompt in enumerate(sorted(set().union(*SEARCHES.values()))):
        index.add(sidecar(number, prompt=prompt))
        index.add(sidecar(100 + number, prompt=prompt, owner=YOU))
    for text, prompts in SEARCHES.items():
        found = [Sidecar.model_validate_json(row.sidecar) for row in lookup.page(ME, Query(text=text))]
        assert ({each.prompt for each in found}, text) == (prompts, text)
        assert {each.owner for each in found} <= {ME}


def test_numbers_are_times_and_no_two_are_the_same(index: Index, lookup: Lookup) -> None:
    for number, created in enumerate((5.0, 5.0, 4.0, 5.0, 4.0)):
        index.add(sidecar(number, created=created))
    index.add(sidecar(9, created=1e300))
    assert lookup.after(10 * MICRO, 9)[0].id == sidecar(9).id
    index.remove(sidecar(9).id, 1.0)
    assert [row.number - 4 * MICRO for row in lookup.after(0, 9)] == [0, 1, MICRO, MICRO + 1, MICRO + 2]


def test_what_is_there_is_not_counted_twice_and_news_are_of_what_is_there(index: Index, lookup: Lookup) -> None:
    one = sidecar(1)
    for _ in range(2):
        index.add(one, StoreLimits(quota=15))
    assert (index.used(ME).bytes, index.used(ME).count) == (10, 1)
    index.replace(one.model_copy(update={"parents": (sidecar(2).id,)}))
    row = lookup.find(ME, one.id)
    assert row is not None
    assert Sidecar.model_validate_json(row.sidecar).parents == (sidecar(2).id,)
    with pytest.raises(LookupError):
        index.replace(sidecar(2))


def test_many_at_once_are_as_one_after_the_other(index: Index, lookup: Lookup) -> None:
    index.add(sidecar(1, created=1.0))
    index.add_all([])
    many = [sidecar(number, created=1.0, parents=(sidecar(1).id,)) for number in (2, 1, 3, 3, 4)]
    index.add_all([*many, sidecar(5, owner=YOU, created=0.5), sidecar(6, prompt="a ball", created=1.0)])
    numbers = [row.number - MICRO for row in lookup.after(0, 9)]
    assert numbers == [-MICRO // 2, 0, 1, 2, 3, 4]
    assert [(used.bytes, used.count) for used in map(index.used, (ME, YOU))] == [(50, 5), (10, 1)]
    assert set(lookup.children(ME, [sidecar(1).id])[sidecar(1).id]) == {sidecar(number).id for number in (2, 3, 4)}
    assert [row.id for row in lookup.page(ME, Query(text="ball"))] == [sidecar(6).id]
    with pytest.raises((OverflowError, OSError)):
        index.add_all([sidecar(7), sidecar(8, size=2**70)])
    assert sidecar(7).id not in index


def test_a_quota_that_is_exceeded_leaves_nothing(index: Index) -> None:
    limits = StoreLimits(quota=25, count=3, space=45)
    index.add(sidecar(1), limits)
    index.add(sidecar(2), limits)
    with pytest.raises(QuotaExceeded, match="25 bytes"):
        index.add(sidecar(3), limits)
    index.add(sidecar(4, size=0), limits)
    with pytest.raises(QuotaExceeded, match="3 of them"):
        index.add(sidecar(5, size=0), limits)
    index.add(sidecar(6, owner=YOU, size=25), limits)
    with pytest.raises(QuotaExceeded, match="45 bytes"):
        index.add(sidecar(7, owner=""), limits)
    assert (index.used(ME).bytes, index.used(None).bytes, len(index.ids())) == (20, 45, 4)


@pytest.mark.parametrize("after", ["", "c", "cx", "c" + "f" * 17, new_id(), "art_", "\0", "é"])
def test_what_is_no_place_in_a_listing_is_refused(index: Index, lookup: Lookup, after: str) -> None:
    index.add(sidecar(1, owner=YOU))
    for each in (after, sidecar(1).id):
        with pytest.raises(BadCursor):
            lookup.page(ME, Query(after=each))


def test_times_without_bounds_are_bounds_all_the_same(index: Index, lookup: Lookup) -> None:
    index.add(sidecar(1))
    far = (Query(since=-1e300, until=1e300), Query(after="c" + "f" * 16), Query(until=float("inf")))
    assert [len(lookup.page(ME, query)) for query in far] == [1, 1, 1]


def test_an_index_is_of_the_files_whose_mark_it_noted(index: Index) -> None:
    assert index.mark() is None
    index.note_mark("theirs")
    assert index.mark() == "theirs"
