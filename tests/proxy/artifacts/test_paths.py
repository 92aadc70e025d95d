"""Where a word of a request becomes a path: artifacts, uploads and the page's files, each looked at by itself."""

import os
from pathlib import Path

import pytest

from contract.artifacts import ArtifactKind, Sidecar
from contract.errors import ApiError
from proxy.artifacts.local_folder import LocalContent, LocalFolder
from proxy.artifacts.lookup import BadCursor, Row, cursor_of, is_id, place
from proxy.artifacts.names import all_names, content_name, is_content, new_id, split_name
from proxy.artifacts.upload_folder import META_LIMIT, Upload, UploadFolder
from proxy.artifacts.uploads import _require_whole
from proxy.endpoints.page import StaticFiles

ID = "art_" + "0a" * 16
UPLOAD = "upload_" + "0a" * 16
NO_IDS = ["", ID[:-1], ID + "0", ID.upper(), ID + "\n", " " + ID, "../" + ID, ID + "/..", "art_" + "g" * 32, "..", "/"]


def test_an_id_is_random_and_one_of_ours() -> None:
    assert is_id(new_id())
    assert new_id() != new_id()


@pytest.mark.parametrize("text", NO_IDS)
def test_what_is_no_id_of_ours_is_known_as_none(text: str) -> None:
    assert is_id(ID)
    assert not is_id(text)
    assert split_name(text + ".png") is None
    with pytest.raises(BadCursor):
        place(text, lambda artifact_id: 7)


def test_a_cursor_is_a_number_or_an_id_that_has_one() -> None:
    assert place(cursor_of(Row(0x1F, ID, "image", "")), lambda artifact_id: None) == 0x1F
    assert place("c" + "f" * 16, lambda artifact_id: None) == 2**63 - 1
    assert place(ID, {ID: 7}.get) == 7
    for unknown in (ID, "c", "c" + "f" * 17, "cg", "C1"):
        with pytest.raises(BadCursor) as raised:
            place(unknown, lambda artifact_id: None)
        assert raised.value.args == (unknown,)


def test_the_names_of_an_artifacts_files_are_its_id_and_what_each_is() -> None:
    sidecar = Sidecar(
        id=ID, owner="me", kind=ArtifactKind.IMAGE, mime="image/png", size=1, sha256="0" * 64, created=0.0
    )
    assert content_name(sidecar) == ID + ".png"
    assert all_names(sidecar) == (ID + ".meta.json", ID + ".png", ID + ".blocks", ID + ".thumb")
    assert [split_name(name) for name in all_names(sidecar)] == [
        (ID, rest) for rest in (".meta.json", ".png", ".blocks", ".thumb")
    ]
    assert [is_content(rest) for rest in (".meta.json", ".png", ".blocks", ".thumb")] == [False, True, False, False]


@pytest.mark.parametrize("name", [ID, ID + ".", ID + ".PNG", ID + ".a/b", ID + "." + "a" * 17, "x" + ID + ".png"])
def test_a_file_of_another_name_is_none_of_ours(name: str) -> None:
    assert split_name(name) is None


# Artifacts' files


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    made = LocalFolder(tmp_path / "store")
    made.open()
    return made


def test_a_plain_file_is_opened_and_neither_a_link_a_folder_nor_a_pipe(folder: LocalFolder) -> None:
    files = folder.root / "files"
    (files / "plain").write_bytes(b"bytes")
    (files / "link").symlink_to(files / "plain")
    (files / "folder").mkdir()
    os.mkfifo(files / "pipe")
    content: LocalContent = folder.open_content(ArtifactKind.FILE, "plain")
    assert content.read(0, 9) == b"bytes"
    content.close()
    for name in ("link", "folder", "pipe", "nothing"):
        with pytest.raises(FileNotFoundError) as raised:
            folder.open_content(ArtifactKind.FILE, name)
        assert name in raised.value.args or raised.value.filename == name
    with pytest.raises(FileNotFoundError):
        folder.open_content(ArtifactKind.IMAGE, "plain")


def test_a_disk_that_refuses_is_not_taken_for_a_file_that_is_not_there(folder: LocalFolder) -> None:
    with pytest.raises(OSError, match="too long") as raised:
        folder.open_content(ArtifactKind.FILE, "x" * 300)
    assert not isinstance(raised.value, FileNotFoundError)


# Uploads


def upload(owner: str = "me", upload_id: str = UPLOAD, **known: object) -> Upload:
    made = Upload(
        id=upload_id,
        owner=owner,
        size=3,
        filename="a",
        mime="text/plain",
        purpose="batch",
        lifetime=None,
        created=0.0,
        expires=9.0,
    )
    return made.model_copy(update=known)


@pytest.mark.parametrize(
    "text", ["", UPLOAD[:-1], UPLOAD + "0", UPLOAD.upper(), "../uploads/" + UPLOAD, UPLOAD + "/.", UPLOAD + "\n", ".."]
)
def test_what_is_no_uploads_id_is_looked_for_nowhere(folder: LocalFolder, text: str) -> None:
    uploads = UploadFolder(folder)
    uploads.write(upload())
    for ask in (lambda: uploads.read("me", text), lambda: uploads.lock(text)):
        with pytest.raises(LookupError) as raised:
            ask()
        assert raised.value.args == (text,)


def test_an_upload_is_its_owners_alone(folder: LocalFolder) -> None:
    uploads = UploadFolder(folder)
    uploads.write(upload())
    assert uploads.read("me", UPLOAD) == upload()
    for owner, upload_id in (("you", UPLOAD), ("me", UPLOAD[:-1] + "f")):
        with pytest.raises(LookupError) as raised:
            uploads.read(owner, upload_id)
        assert raised.value.args == (upload_id,)


def test_an_upload_is_locked_for_one_at_a_time(folder: LocalFolder) -> None:
    uploads = UploadFolder(folder)
    uploads.write(upload())
    held = uploads.lock(UPLOAD)
    assert held is not None
    assert uploads.lock(UPLOAD) is None
    os.close(held)
    again = uploads.lock(UPLOAD)
    assert again is not None
    os.close(again)
    root = folder.root / "uploads"
    (root / (UPLOAD[:-1] + "1")).symlink_to(root / UPLOAD)
    (root / (UPLOAD[:-1] + "2")).write_text("no folder")
    for no_folder in "012":
        with pytest.raises(OSError, match=r"^\[Errno"):
            uploads.lock(UPLOAD[:-1] + no_folder)


def test_of_the_folder_of_uploads_only_what_is_ours_and_whole_is_listed(folder: LocalFolder) -> None:
    uploads = UploadFolder(folder)
    assert uploads.of("me") == []
    uploads.write(upload())
    uploads.write(upload("you", UPLOAD[:-1] + "b"))
    uploads.write(upload("me", UPLOAD[:-1] + "c", status="cancelled", expires=3.0))
    uploads.write(upload("me", "another"))
    broken = folder.root / "uploads" / (UPLOAD[:-1] + "d")
    broken.mkdir()
    assert uploads.of("me") == [upload()]
    (broken / "meta.json").write_bytes(upload().model_dump_json().encode() + b" " * META_LIMIT + b"x")
    assert len(uploads.of("me")) == 2, "no more of it is read than a whole one has"
    (broken / "meta.json").write_text("{")
    assert uploads.of("me") == [upload()]
    assert [each.status for each in uploads.expired(3.0)] == ["cancelled"]
    assert uploads.expired(2.9) == []


def test_only_parts_of_ours_are_parts_in_the_order_in_which_they_came(folder: LocalFolder) -> None:
    uploads, ours = UploadFolder(folder), upload()
    uploads.write(ours)
    place_of_it = folder.root / "uploads" / UPLOAD
    for name, size, at in (
        ("part_" + "b" * 32, 1, 5),
        ("part_" + "a" * 32, 2, 9),
        ("part_x", 3, 1),
        ("part_" + "A" * 32, 4, 1),
    ):
        (place_of_it / name).write_bytes(b"x" * size)
        os.utime(place_of_it / name, (at, at))
    parts = uploads.parts(ours)
    assert list(parts.items()) == [("part_" + "b" * 32, 1), ("part_" + "a" * 32, 2)]


def test_an_upload_is_made_of_each_of_its_parts_once_and_of_nothing_else() -> None:
    parts = {"part_a": 1, "part_b": 2}
    _require_whole(upload(), parts, ["part_b", "part_a"])
    for part_ids, why in (
        (["part_b", "part_a", "../part_c"], "names each part of this upload once"),
        (["part_b", "part_a", "part_a"], "names each part of this upload once"),
        (["part_b"], "names 2 bytes, and 3 were announced"),
    ):
        with pytest.raises(ApiError) as raised:
            _require_whole(upload(), parts, part_ids)
        error = raised.value
        assert (error.status, error.code, error.param) == (400, "invalid_value", "part_ids")
        assert (error.message, error.headers) == (f"'part_ids' {why}.", {"x-should-retry": "false"})


# The page's files


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    for name in ("index.html", "vendor/lib.mjs", ".hidden.js", "vendor/.hidden.js", "notes.md", "a\\b.js", "a\nb.js"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "folder.js").mkdir()
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    (folder / "inner.js").symlink_to(folder / "index.html")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/index.html",
        "vendor//lib.mjs",
        "vendor/../index.html",
        "../secret.js",
        ".hidden.js",
        "vendor/.hidden.js",
        "notes.md",
        "a\\b.js",
        "a\nb.js",
        "folder.js",
        "link.js",
        "nothing.js",
        "d" * 250,
    ],
)
def test_no_file_of_the_page_is_found_by_another_path_than_its_own(static: Path, name: str) -> None:
    with pytest.raises(ApiError) as raised:
        StaticFiles(static)._find(name)
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    assert raised.value.message == f"There is no file {name[:200]}."


def test_a_file_of_the_page_is_found_by_its_own_path(static: Path) -> None:
    assert StaticFiles(static)._find("vendor/lib.mjs") == static / "vendor" / "lib.mjs"
    assert StaticFiles(static)._find("inner.js") == static / "index.html"


@pytest.mark.parametrize(("letters", "is_found"), [(255, True), (256, False)])
def test_a_path_of_255_letters_is_looked_for_and_none_that_is_longer(
    static: Path, letters: int, is_found: bool
) -> None:
    name = f"{'d' * 200}/{'x' * (letters - 204)}.js"
    (static / name).parent.mkdir()
    (static / name).write_text("")
    if is_found:
        assert StaticFiles(static)._find(name).is_file()
    else:
        with pytest.raises(ApiError):
            StaticFiles(static)._find(name)
