"""Which files of a model are loaded, by their names and by what a pipeline's `model_index.json` says. Pure.

A Diffusers pipeline is a folder with that file and a folder for each component. Names are relative to it, with
slashes. `half`: weights in fp16 are wanted where all components have them, since they are to be computed with in
float16; otherwise the plain ones.
PipelineError: it cannot be had without code or pickles, or not as it is; its message is what people are shown.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath
from types import MappingProxyType

INDEX = "model_index.json"
WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
# Where components may come from: the two libraries, and those of the first's own pipelines that bring models of
# their own. Any other name is a module of the machine's, or code that lies in the model's folder.
LIBRARIES = frozenset(
    {
        *("diffusers", "transformers"),
        *("ace_step", "audioldm2", "deepfloyd_if", "flux", "kandinsky", "kolors", "ltx", "ltx2"),
        *("stable_audio", "stable_diffusion"),
    }
)
DESCRIPTIONS = frozenset({".json", ".txt", ".model", ".jinja", ".tiktoken"})
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack"})
WEIGHTS = PICKLES | {".safetensors", ".onnx", ".gguf"}
PLAIN = re.compile(r"(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors")
HALF = re.compile(r"(diffusion_pytorch_model|model)(\.fp16(-\d{5}-of-\d{5})?|-\d{5}-of-\d{5}\.fp16)\.safetensors")
# Weights in other libraries' forms that stand beside safetensors and are then never opened.
TWIN = re.compile(r"(diffusion_pytorch|diffusion_flax|pytorch|flax|openvino)_model[.\w-]*\.(bin|msgpack)")
PLAIN_INDEX = re.compile(r"(diffusion_pytorch_model|model)\.safetensors\.index\.json")
HALF_INDEX = re.compile(r"(diffusion_pytorch_model|model)\.(safetensors\.index\.fp16|fp16\.safetensors\.index)\.json")


class PipelineError(ValueError):
    """The pipeline is refused: the reason, with what to do where something helps."""


def components_of(index: bytes) -> tuple[str, ...]:
    """The components that a `model_index.json` names, `null` ones left out. Raises PipelineError."""
    try:
        document = json.loads(index)
    except ValueError as error:
        raise PipelineError(f"{INDEX} is not valid JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("_class_name"), str):
        raise PipelineError(f"{INDEX} names no pipeline class of the library's: code of a model is never run")
    return tuple(name for name, value in document.items() if _is_component(name, value))


def _is_component(name: str, value: object) -> bool:
    """Whether an item of the index is a component: a library and a class. Lists of numbers are settings."""
    if name.startswith("_") or not isinstance(value, list) or not any(isinstance(part, str) for part in value):
        return False
    if value[0] is None:
        return False
    if not name.isidentifier() or len(value) != 2 or value[0] not in LIBRARIES or not isinstance(value[1], str):
        raise PipelineError(f"{INDEX} has {name} = {json.dumps(value)}: that is code of its own, which is never run")
    return True


def model_files(names: Iterable[str]) -> tuple[str, ...]:
    """What is read of a model that is no pipeline: safetensors and what describes them."""
    return tuple(name for name in names if any(fnmatch(name, pattern) for pattern in WANTED))


def pipeline_files(names: Iterable[str], components: Iterable[str], *, half: bool = False) -> tuple[str, ...]:
    """What is read of a pipeline: its index, and of each component descriptions and one form of its safetensors."""
    folders = by_component(names, components)
    weights, index = _form(folders, half)
    return (
        INDEX,
        *(
            f"{component}/{file}"
            for component, files in folders.items()
            for file in files
            if file in weights[component] or _describes(file, index[component])
        ),
    )


def loaded_weights(names: Iterable[str], components: Iterable[str], *, half: bool = False) -> tuple[str, ...]:
    """The safetensors that an engine reads: the plain ones; of a component that has only them, those in fp16."""
    weights, _ = _form(by_component(names, components), half)
    return tuple(f"{component}/{file}" for component, files in weights.items() for file in files)


def files_to_fetch(names: Iterable[str], components: Iterable[str], *, half: bool = False) -> tuple[str, ...]:
    """What of a repository's files an engine needs.

    Raises PipelineError where a component has its weights in other forms only.
    """
    every = tuple(names)
    folders = by_component(every, components)
    if not (half and _in_half(folders, half)):
        for component, files in folders.items():
            _require_plain(component, files)
    chosen = pipeline_files(every, folders, half=half)
    if not any(name.endswith(".safetensors") for name in chosen):
        raise PipelineError("it has no safetensors: choose a repository that has")
    return chosen


def refused_pickle(names: Iterable[str], components: Iterable[str]) -> str | None:
    """A pickle that could be loaded, or None. The same weights beside a component's safetensors are never opened.

    Folders that are no component hold what other programs read; at the top a pickle can only be meant to be loaded.
    """
    every = tuple(names)
    folders = by_component(every, components)
    top = [name for name in every if "/" not in name]
    inside = [f"{component}/{file}" for component, files in folders.items() for file in _doubtful(files)]
    return next((name for name in (*top, *inside) if PurePosixPath(name).suffix in PICKLES), None)


def by_component(names: Iterable[str], components: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Component -> names of the files in its folder. What lies deeper is no part of it."""
    folders: dict[str, list[str]] = {component: [] for component in components}
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder in folders:
            folders[folder].append(file)
    return MappingProxyType(folders)


def _require_plain(component: str, files: Sequence[str]) -> None:
    weights = [file for file in files if PurePosixPath(file).suffix in WEIGHTS]
    if not weights or _matching(PLAIN, files):
        return
    if not _matching(HALF, files):
        raise PipelineError(f"{component} has no safetensors, only {weights[0]}: choose a repository that has")
    raise PipelineError(
        f"{component} has its weights in fp16 alone ({_matching(HALF, files)[0]}), and only whole ones are fetched: "
        f"choose a repository that has them, or put this one under the models folder"
    )


def _form(
    folders: Mapping[str, Sequence[str]], half: bool
) -> tuple[Mapping[str, Sequence[str]], Mapping[str, re.Pattern[str]]]:
    """Component -> the files of its weights that are loaded, and component -> the name of their index of shards."""
    in_half = _in_half(folders, half)
    weights: dict[str, Sequence[str]] = {}
    index: dict[str, re.Pattern[str]] = {}
    for component, files in folders.items():
        plain = [] if in_half else _matching(PLAIN, files)
        weights[component] = plain or _matching(HALF, files)
        index[component] = PLAIN_INDEX if plain or not weights[component] else HALF_INDEX
    return weights, index


def _in_half(folders: Mapping[str, Sequence[str]], half: bool) -> bool:
    """Whether all components are loaded in fp16: all with weights have them so, and it is wanted or all there is.

    The engine loads all components in one form, and chooses it by the same rule.
    """
    having = [files for files in folders.values() if any(PurePosixPath(file).suffix in WEIGHTS for file in files)]
    all_plain = all(_matching(PLAIN, files) for files in having)
    return bool(having) and (half or not all_plain) and all(_matching(HALF, files) for files in having)


def _describes(file: str, index: re.Pattern[str]) -> bool:
    if ".index." in file:
        return index.fullmatch(file) is not None
    return PurePosixPath(file).suffix in DESCRIPTIONS


def _doubtful(files: Sequence[str]) -> Sequence[str]:
    if not (_matching(PLAIN, files) or _matching(HALF, files)):
        return files
    return [file for file in files if not TWIN.fullmatch(file)]


def _matching(pattern: re.Pattern[str], files: Sequence[str]) -> list[str]:
    return [file for file in files if pattern.fullmatch(file)]
