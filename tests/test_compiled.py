"""What the image compiles: the list, what is copied for the compiler, and when the benchmark compiles anew."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from msgspec import Struct
from pydantic import BaseModel

from benchmarks.gateway import compiled as benchmark
from images.roundhouse.sources import compiled, copy, needed

ROOT = Path(__file__).parents[1]
ROOMS = ("contract.", "proxy.", "manager.")


def module_of(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


def classes_of(name: str) -> list[type]:
    module = import_module(name)
    return [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == name]


def heirs(base: type) -> Iterator[type]:
    direct: list[type] = type.__subclasses__(base)
    for heir in direct:
        yield heir
        yield from heirs(heir)


def test_the_list_is_sorted_and_each_file_is_there() -> None:
    assert compiled() == sorted(set(compiled()))
    assert [name for name in compiled() if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", compiled())
def test_nothing_is_compiled_that_reads_its_own_annotations_in_the_interpreter(name: str) -> None:
    """msgspec and pydantic make a class of its annotations, which mypyc takes for its own."""
    assert [each for each in classes_of(module_of(name)) if issubclass(each, Struct | BaseModel)] == []


def test_no_class_in_the_interpreter_is_made_of_a_compiled_one() -> None:
    """Such a class cannot be instantiated, or is not taken for its base; the names of both are shown."""
    for file in (file for room in ("contract", "proxy", "manager") for file in (ROOT / room).rglob("*.py")):
        if file.name != "__main__.py":
            import_module(module_of(str(file.relative_to(ROOT))).removesuffix(".__init__"))
    listed = {module_of(name) for name in compiled()}
    made = ((base, heir) for name in listed for base in classes_of(name) for heir in heirs(base))
    outside = {f"{heir.__module__}.{heir.__name__} of {base}" for base, heir in made if heir.__module__ not in listed}
    assert {each for each in outside if each.startswith(ROOMS)} == set()


def test_the_compiler_is_given_the_modules_and_what_they_import(tmp_path: Path) -> None:
    copy(ROOT, tmp_path)
    given = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert set(compiled()) < given
    assert {"proxy/__init__.py", "proxy/gateway/peek.py", "proxy/gateway/__init__.py"} < given
    assert not {"proxy/server.py", "proxy/__main__.py", "contract/catalogue_file.py"} & given


def test_modules_are_found_however_they_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a/__init__.py": "", "a/one.py": "import b.two", "a/idle.py": "", "b/two.py": "from a import three, x"}
    for name, text in {**files, "a/three.py": "import os.path\nfrom a.one import y"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("images.roundhouse.sources.compiled", lambda: ["a/one.py"])
    assert [file.name for file in needed(tmp_path)] == ["__init__.py", "one.py", "three.py", "two.py"]


def test_the_compiler_is_the_one_of_development() -> None:
    pins = re.compile(r"^[\w.-]+==\S+", re.MULTILINE)
    image, development = (
        set(pins.findall((ROOT / name).read_text()))
        for name in ("images/roundhouse/compiler.txt", "requirements-dev.lock")
    )
    assert image <= development


def test_the_benchmark_compiles_again_when_a_file_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    for name in ("proxy/a.py", "contract/b.py", "images/roundhouse/compiled.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    monkeypatch.setattr(benchmark, "TREE", tmp_path / ".engines" / "compiled")
    monkeypatch.setattr(benchmark, "_require_compiler", lambda: None)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command))
    benchmark.compile_proxy()
    benchmark.compile_proxy()
    assert len(calls) == 1
    (tmp_path / "proxy" / "a.py").write_text("changed")
    benchmark.compile_proxy()
    assert len(calls) == 2
    assert (benchmark.TREE / "proxy" / "a.py").read_text() == "changed"


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="gcc libc6-dev python3-dev"):
        benchmark._require_compiler()
