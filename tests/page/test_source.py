"""The page's files themselves."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest

from tests.page.standin import STATIC

OWN = sorted(path for path in STATIC.iterdir() if path.suffix in {".js", ".css", ".html"})


def test_the_javascript_passes_the_type_check() -> None:
    npm = shutil.which("npm")
    assert npm is not None
    check = subprocess.run(
        [npm, "run", "--silent", "check"], check=False, cwd=STATIC.parent, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_what_is_vendored_is_what_the_list_says() -> None:
    listed = {entry["file"]: entry["sha256"] for entry in json.loads((STATIC / "vendor/versions.json").read_text())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").glob("*.js")}
    assert found == listed


def test_the_versions_vendored_are_the_versions_locked() -> None:
    lock = json.loads((STATIC.parent / "package-lock.json").read_text())["packages"]
    for entry in json.loads((STATIC / "vendor/versions.json").read_text()):
        assert lock[f"node_modules/{entry['package']}"]["version"] == entry["version"]


def test_the_lock_file_holds_names_versions_and_hashes_but_no_addresses() -> None:
    assert "http" not in (STATIC.parent / "package-lock.json").read_text().replace("https://opencollective.com", "")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_each_file_is_small_and_asks_nothing_of_another_origin(path: object) -> None:
    text = (STATIC / str(path)).read_text()
    assert len(text.splitlines()) <= 200
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_file_makes_markup_from_text_or_needs_a_secure_context(path: object) -> None:
    text = (STATIC / str(path)).read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\.clipboard\b|randomUUID", text
    )
