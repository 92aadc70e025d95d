"""The house's own laws, held against the code: who may import whom, and where things may stand."""

import ast
import re
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("contract", "manager", "proxy", "cli")
MAY_IMPORT = {
    "contract": {"contract"},
    "manager": {"manager", "contract"},
    "proxy": {"proxy", "contract"},
    "cli": {"cli", "contract"},
    "images": {"contract", "images"},
}
# Each room of the proxy imports only the rooms below it.
PROXY_ROOMS = (
    "endpoints",
    "openapi",
    "chat",
    "jobs",
    "artifacts",
    "access",
    "media",
    "metrics",
    "sharing",
    "postgres",
    "gateway",
)
MANAGER_ROOMS = ("supervision", "running", "scheduling", "weights", "runtimes", "engines", "box")
CONTRACT_MAY_USE = {"pydantic", "contract"}
REGISTRIES = re.compile(r"https?://[\w.-]*(?:pythonhosted|npmjs|debian|pypi)\.[\w.]+")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


FILES = [file for file in tracked() if file.suffix == ".py"]
CODE = [file for file in FILES if file.relative_to(ROOT).parts[0] in {*ROOMS, "images"}]
TREES = {file: ast.parse(file.read_text()) for file in FILES}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def test_each_room_imports_only_what_the_house_allows() -> None:
    known = {*ROOMS, "images", "tests", "benchmarks"}
    for file in CODE:
        room = file.relative_to(ROOT).parts[0]
        wanted = {name.split(".")[0] for name in imports_of(TREES[file])} & known
        assert wanted <= MAY_IMPORT[room], f"{file} imports {wanted - MAY_IMPORT[room]}"


def test_no_engine_knows_another_engine() -> None:
    for file in CODE:
        parts = file.relative_to(ROOT).parts
        if parts[0] == "images":
            others = {name for name in imports_of(TREES[file]) if name.startswith("images.")}
            assert all(name.split(".")[1] == parts[1] for name in others), f"{file} imports {others}"


def test_each_room_of_the_proxy_imports_only_the_rooms_below_it() -> None:
    for file in CODE:
        parts = file.relative_to(ROOT).parts
        if parts[0] != "proxy" or parts[1] not in PROXY_ROOMS:
            continue
        below = set(PROXY_ROOMS[PROXY_ROOMS.index(parts[1]) :])
        used = {name.split(".")[1] for name in imports_of(TREES[file]) if name.startswith("proxy.")}
        wrong = (used & set(PROXY_ROOMS)) - below
        assert not wrong, f"{file} imports {wrong}"
        if parts[1] == "gateway":
            assert used <= {"gateway"}, f"{file} imports {used}: the gateway imports nothing else of ours"


def test_each_room_of_the_manager_imports_only_the_rooms_below_it() -> None:
    for file in CODE:
        parts = file.relative_to(ROOT).parts
        if parts[0] != "manager" or parts[1] not in MANAGER_ROOMS:
            continue
        below = set(MANAGER_ROOMS[MANAGER_ROOMS.index(parts[1]) :])
        used = {name.split(".")[1] for name in imports_of(TREES[file]) if name.startswith("manager.")}
        assert used & set(MANAGER_ROOMS) <= below, f"{file} imports {(used & set(MANAGER_ROOMS)) - below}"


def test_what_decides_does_nothing() -> None:
    effects = {"asyncio", "httpx", "threading", "time", "os", "subprocess"}
    for file in CODE:
        parts = file.relative_to(ROOT).parts
        if parts[:2] == ("manager", "scheduling"):
            used = {name.split(".")[0] for name in imports_of(TREES[file])}
            assert not used & effects, f"{file} imports {used & effects}"


def test_the_contract_uses_the_standard_library_and_pydantic_alone() -> None:
    installed = {"fastapi", "starlette", "httpx", "docker", "uvicorn", "msgspec", "psutil", "tenacity", "typer"}
    for file in CODE:
        if file.relative_to(ROOT).parts[0] == "contract":
            used = {name.split(".")[0] for name in imports_of(TREES[file])}
            assert not used & installed, f"{file} imports {used & installed}"


def test_there_are_no_cycles_among_our_modules() -> None:
    modules = {name_of(file): file for file in CODE}
    graph = {
        name: {wanted for wanted in imports_of(TREES[file]) if wanted in modules and wanted != name}
        for name, file in modules.items()
    }
    assert len(tuple(TopologicalSorter(graph).static_order())) == len(modules)


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_stand_at_the_top_and_nowhere_else(file: Path) -> None:
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Try):
            inside = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
            assert not inside, f"{file}:{inside[0].lineno}"


def test_one_file_speaks_to_docker() -> None:
    users = {name_of(file) for file in CODE if any(name.split(".")[0] == "docker" for name in imports_of(TREES[file]))}
    assert users == {"manager.runtimes.docker_api"}


def test_the_environment_is_read_in_settings_alone() -> None:
    readers = {
        name_of(file)
        for file in CODE
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    }
    assert {name.split(".")[-1] for name in readers} <= {"settings"}


def test_shared_code_never_asks_for_an_engine_by_name() -> None:
    for file in CODE:
        if name_of(file).startswith(("manager.engines.", "images.")):
            continue
        for node in ast.walk(TREES[file]):
            if isinstance(node, ast.Compare):
                words = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not words & {"vllm", "diffusers"}, f"{file}:{node.lineno}"


# Where whatever was raised is told to people: the proxy's renderer, the jobs, and the thread of an engine's pipeline.
BORDERS = {"proxy.errors", "proxy.jobs.runner", "images.diffusers.server.border"}


def test_nothing_but_the_borders_catches_everything() -> None:
    for file in CODE:
        for node in ast.walk(TREES[file]):
            if isinstance(node, ast.ExceptHandler) and name_of(file) not in BORDERS:
                caught = {each.id for each in ast.walk(node.type or node) if isinstance(each, ast.Name)}
                assert node.type is not None, f"{file}:{node.lineno}"
                assert not caught & {"Exception", "BaseException"}, f"{file}:{node.lineno}"


def test_functions_and_files_stay_short() -> None:
    for file in CODE:
        assert len(file.read_text().splitlines()) <= 220, file
        for node in ast.walk(TREES[file]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 40, f"{file}:{node.lineno} {node.name}"


def test_no_file_names_the_host_of_a_package_registry() -> None:
    for file in tracked():
        if file.suffix in {".png", ".safetensors", ".ico"}:
            continue
        assert not REGISTRIES.search(file.read_text()), file
