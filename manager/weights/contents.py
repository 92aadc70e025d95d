"""Which files of a folder of weights an entry's engine reads, and what they take."""

from collections.abc import Sequence
from pathlib import Path

from contract.catalogue import ModelEntry
from manager.weights.pipelines import INDEX, components_of, loaded_weights, model_files, pipeline_files
from manager.weights.tensors import loaded_bytes


def names_in(folder: Path) -> tuple[str, ...]:
    """All files below, relative to the folder. A link that leads nowhere counts too."""
    return tuple(sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()))


def wants_half(entry: ModelEntry) -> bool:
    """Whether the weights are loaded in float16, so that weights in fp16 are all that is needed."""
    return entry.args.get("dtype") == "float16"


def files_read(folder: Path, names: Sequence[str], entry: ModelEntry) -> tuple[str, ...]:
    """Those of a model's files that its engine reads. Raises PipelineError, and OSError where its index is missing."""
    if INDEX not in names:
        return model_files(names)
    return pipeline_files(names, components_of((folder / INDEX).read_bytes()), half=wants_half(entry))


def weights_size(folder: Path, entry: ModelEntry) -> int:
    """Bytes of memory that a model's safetensors take once loaded. Raises PipelineError and OSError."""
    if (folder / INDEX).is_file():
        components = components_of((folder / INDEX).read_bytes())
        files = [folder / name for name in loaded_weights(names_in(folder), components, half=wants_half(entry))]
    else:
        files = list(folder.glob("*.safetensors"))
    return sum(loaded_bytes(file, entry.args.get("dtype")) for file in files)
