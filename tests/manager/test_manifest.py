from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manager.weights.hashes import ChangedWhileRead, Stamp, hash_of
from manager.weights.manifest import FileRecord, Listed, Listing, Manifest, ManifestFolder, difference, measure

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
NUMBERS = st.integers(0, 2**63)
STAMPS = st.builds(Stamp, modified=st.integers(-(2**62), 2**62), size=NUMBERS, inode=NUMBERS)
SHA256 = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
GIT = st.binary(min_size=20, max_size=20).map(lambda raw: f"git:{raw.hex()}")
MANIFESTS = st.builds(
    Manifest, files=st.dictionaries(NAMES, st.builds(FileRecord, hash=SHA256, stamp=STAMPS), max_size=5)
)
LISTINGS = st.builds(
    Listing, files=st.dictionaries(NAMES, st.builds(Listed, size=NUMBERS, hash=SHA256 | GIT), max_size=5)
)
CONTENTS = st.dictionaries(st.sampled_from(("a", "b", "c", "d")), st.binary(max_size=20), min_size=1)

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


def silent(done: int, total: int) -> None:
    """Of no interest here."""


@in_one_folder
@given(manifest=MANIFESTS, listing=LISTINGS)
def test_what_is_kept_is_read_again_as_it_was(tmp_path: Path, manifest: Manifest, listing: Listing) -> None:
    kept = ManifestFolder(tmp_path / "manifests")
    kept.keep("m", manifest)
    kept.keep_listing("m", listing)
    assert kept.manifest("m") == manifest
    assert kept.listing("m") == listing
    assert {file.name for file in (tmp_path / "manifests").iterdir()} == {"m.json", "m.hub.json"}


@given(MANIFESTS)
def test_the_digest_is_of_names_sizes_and_hashes_alone(manifest: Manifest) -> None:
    elsewhere = {
        name: record.model_copy(update={"stamp": Stamp(modified=1, size=record.stamp.size, inode=2)})
        for name, record in reversed(list(manifest.files.items()))
    }
    assert Manifest(files=elsewhere).digest == manifest.digest
    for name in manifest.files:
        less = {other: record for other, record in manifest.files.items() if other != name}
        assert Manifest(files=less).digest != manifest.digest
        renamed = {**less, f"{name}x": manifest.files[name]}
        assert Manifest(files=renamed).digest != manifest.digest


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {"a": {}}}', '{"files": {}, "more": 1}'])
def test_a_broken_manifest_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    assert ManifestFolder(tmp_path).manifest("m") is None


@in_one_folder
@given(contents=CONTENTS, others=CONTENTS)
def test_any_change_of_a_folder_is_found_and_nothing_else_is(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes], others: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    before = measured(folder, contents, None)
    after = measured(folder, others, before)
    found = difference(folder, before, after, lambda name: None, trusting=False)
    assert (found is None) == (contents == others)
    if found is not None:
        assert contents.get(found.name) != others.get(found.name)


def measured(folder: Path, contents: dict[str, bytes], known: Manifest | None) -> Manifest:
    for file in folder.iterdir():
        file.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return measure(folder, contents, known, silent)


def test_only_what_has_another_stamp_is_read(tmp_path: Path) -> None:
    known = measured(tmp_path, {"a": b"1", "b": b"22"}, None)
    (tmp_path / "b").write_bytes(b"333")
    told: list[tuple[int, int]] = []
    measure(tmp_path, ["a", "b"], known, lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (3, 3)]


def test_a_file_that_is_written_to_while_it_is_read_is_not_taken_for_verified(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")

    def write(done: int, total: int) -> None:
        (tmp_path / "a").write_bytes(b"12")

    with pytest.raises(ChangedWhileRead, match="a"):
        measure(tmp_path, ["a"], None, write)


def test_git_and_the_hub_name_the_same_file_by_these_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello\n")
    assert hash_of(tmp_path / "a", "git:") == "git:ce013625030ba8dba906f756967f9e9ca394464a"
    assert hash_of(tmp_path / "a", "sha256:") == (
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    )
