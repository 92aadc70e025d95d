"""The page's files, and nothing but them."""

import os
from pathlib import Path

import pytest

from tests.proxy.world import world

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "vendor").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "app.js").write_text("export {}")
    (folder / "vendor" / "lib.mjs").write_text("export {}")
    (folder / ".hidden.js").write_text("no")
    (folder / "notes.md").write_text("no")
    (tmp_path / "secret.txt").write_text("no")
    os.symlink(tmp_path / "secret.txt", folder / "link.txt")
    return folder


async def test_the_page_comes_with_a_policy_under_which_only_its_files_run(tmp_path: Path, site: Path) -> None:
    async with world(tmp_path, static_dir=site) as w:
        answer = await w.get("/")
        assert (answer.status, answer.body) == (200, b"<!doctype html>")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/static/app.js", "/static/vendor/lib.mjs"])
async def test_modules_have_the_type_that_a_browser_asks_for(tmp_path: Path, site: Path, path: str) -> None:
    async with world(tmp_path, static_dir=site) as w:
        assert (await w.get(path)).headers["content-type"] == "text/javascript; charset=utf-8"


async def test_a_file_that_has_not_changed_is_not_sent_again(tmp_path: Path, site: Path) -> None:
    async with world(tmp_path, static_dir=site) as w:
        tag = (await w.get("/static/app.js")).headers["etag"]
        again = await w.get("/static/app.js", f"if-none-match: {tag}")
        assert (again.status, again.body) == (304, b"")
        os.utime(site / "app.js", (1, 1))
        assert (await w.get("/static/app.js", f"if-none-match: {tag}")).status == 200


ESCAPES = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%252e%252e/secret.txt",
    "vendor/../../secret.txt",
    "/etc/passwd.txt",
    "//etc/passwd",
    "link.txt",
    "..\\secret.txt",
    "..%5csecret.txt",
    "app.js%00.txt",
    ".hidden.js",
    "notes.md",
    "vendor",
    "vendor/",
    "",
    "nothing.js",
    "x" * 5000 + ".js",
]


@pytest.mark.parametrize("name", ESCAPES)
async def test_nothing_outside_the_folder_or_of_another_kind_is_served(tmp_path: Path, site: Path, name: str) -> None:
    async with world(tmp_path, static_dir=site) as w:
        answer = await w.get(f"/static/{name}")
        assert answer.status == 404
        assert b"not_found" in answer.body
