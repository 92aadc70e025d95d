"""Whether a folder of weights may be given to an engine: safetensors, and neither code nor pickles."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath

from manager.specification import EngineError
from manager.weights.pipelines import INDEX, PICKLES, PipelineError, components_of, loaded_weights, refused_pickle

CODE = ".py"
CONFIGURATIONS = ("config.json", "tokenizer_config.json")
CODE_KEYS = frozenset({"auto_map", "custom_pipelines"})


def refuse_unsafe(folder: Path, names: Sequence[str]) -> None:
    """Raises EngineError unless the folder's files are safetensors without code and pickles."""
    if not any(name.endswith(".safetensors") for name in names):
        raise EngineError("weights_refused", f"{folder.name} holds no safetensors; convert the weights first")
    if (folder / INDEX).is_file():
        pickle = _pickle_of_pipeline(folder, names)
    else:
        pickle = next((name for name in names if PurePath(name).suffix in PICKLES), None)
    found = next((name for name in names if PurePath(name).suffix == CODE), pickle)
    if found:
        raise EngineError("weights_refused", f"{folder.name} holds {found}: code and pickles are never loaded")
    for name in configurations_of(names):
        refuse_code(folder.name, name, (folder / name).read_bytes())


def configurations_of(names: Sequence[str]) -> list[str]:
    """The files that could ask for code: in a pipeline those of all components."""
    if INDEX in names:
        return [name for name in names if name.endswith("config.json")]
    return [name for name in CONFIGURATIONS if name in names]


def refuse_code(model: str, name: str, configuration: bytes) -> None:
    """Raises EngineError where a configuration asks for code of the model's own, or cannot be read."""
    try:
        document = json.loads(configuration)
    except ValueError as error:
        raise EngineError("weights_refused", f"{name} of {model} is not valid JSON") from error
    if isinstance(document, dict) and CODE_KEYS & document.keys():
        raise EngineError("weights_refused", f"{name} of {model} asks for code of its own: it is never run")


def _pickle_of_pipeline(folder: Path, names: Sequence[str]) -> str | None:
    """A pickle to refuse, or None. Raises EngineError."""
    try:
        components = components_of((folder / INDEX).read_bytes())
    except PipelineError as error:
        raise EngineError("weights_refused", f"{folder.name}: {error}") from error
    if not loaded_weights(names, components):
        reason = f"no component of {folder.name} has safetensors; convert the weights first"
        raise EngineError("weights_refused", reason)
    return refused_pickle(names, components)
