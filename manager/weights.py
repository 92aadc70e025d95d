"""Where a model's weights are, and whether an engine may be given them.

Local models lie under the models folder, hub repositories in the hub's own cache layout. Weights are safetensors,
and a model that brings code is refused. A folder with `model_index.json` is a Diffusers pipeline: its weights lie in
the folders of its components.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from contract.catalogue import ModelEntry
from manager.engines.kind import Weights
from manager.pipelines import INDEX, PICKLES, PipelineError, components_of, loaded_weights, refused_pickle
from manager.specification import EngineError, Inside

CODE = ".py"
CONFIGURATIONS = ("config.json", "tokenizer_config.json")
CODE_KEYS = frozenset({"auto_map", "custom_pipelines"})


@dataclass(frozen=True)
class WeightsFolder:
    """A folder with a model in it: where it is here, and where the engine will see it."""

    here: Path
    inside: str


class WeightsStore:
    """The models folder and the hub's cache, as far as the manager reads them."""

    def __init__(self, models_dir: Path, hub_dir: Path, inside: Inside) -> None:
        self.models_dir = models_dir
        self.hub_dir = hub_dir
        self.inside = inside

    def find(self, entry: ModelEntry) -> WeightsFolder | None:
        """The folder of an entry's weights, or None while they are not here, or not all of them."""
        if entry.source is None:
            return None
        folder = self._local(entry.source) if entry.is_local else self._cached(entry.source, entry.revision or "main")
        return folder if folder is not None and folder.here.is_dir() else None

    def size_of(self, entry: ModelEntry) -> int:
        """Bytes of the safetensors that would be loaded; 0 while they are not here, or where they are refused."""
        folder = self.find(entry)
        try:
            return weights_size(folder.here) if folder else 0
        except PipelineError:  # told when the model is to be started
            return 0

    def verified(self, entry: ModelEntry) -> Weights:
        """The entry's weights, safe to be given to an engine. Raises EngineError with cause and fix."""
        folder = self.find(entry)
        if folder is None:
            raise EngineError("weights_missing", f"the weights of {entry.source} are not here; {self._advice(entry)}")
        refuse_unsafe(folder.here)
        return Weights(folder.inside, self.size_of(entry))

    def _advice(self, entry: ModelEntry) -> str:
        if entry.is_local:
            return f"put them into {self.models_dir / str(entry.source)}, or run ./setup.sh"
        return "allow the manager to fetch them (HF_HUB_OFFLINE is set), or put them into the hub cache"

    def _local(self, source: str) -> WeightsFolder:
        return WeightsFolder(self.models_dir / source, f"{self.inside.models}/{source.removeprefix('./')}")

    def _cached(self, source: str, revision: str) -> WeightsFolder | None:
        repository = f"hub/models--{source.replace('/', '--')}"
        reference = self.hub_dir / repository / "refs" / revision
        commit = reference.read_text().strip() if reference.is_file() else revision
        if unfinished_mark(self.hub_dir / repository, commit).exists():
            return None
        snapshot = f"{repository}/snapshots/{commit}"
        return WeightsFolder(self.hub_dir / snapshot, f"{self.inside.hub}/{snapshot}")


def unfinished_mark(repository: Path, commit: str) -> Path:
    """The file that stands in a repository's folder of the cache while a fetch of that commit is not finished."""
    return repository / f"unfinished-{commit}"


def weights_size(folder: Path) -> int:
    """Bytes of a model's safetensors, as an engine loads them. Raises PipelineError."""
    if not (folder / INDEX).is_file():
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    components = components_of((folder / INDEX).read_bytes())
    return sum((folder / name).stat().st_size for name in loaded_weights(_names(folder), components))


def refuse_unsafe(folder: Path) -> None:
    """Raises EngineError unless the folder holds safetensors and neither code nor pickles."""
    names = _names(folder)
    if not any(name.endswith(".safetensors") for name in names):
        raise EngineError("weights_refused", f"{folder.name} holds no safetensors; convert the weights first")
    if (folder / INDEX).is_file():
        pickle, configurations = _read_pipeline(folder, names)
    else:
        pickle = next((name for name in names if PurePath(name).suffix in PICKLES), None)
        configurations = [name for name in CONFIGURATIONS if name in names]
    found = next((name for name in names if PurePath(name).suffix == CODE), pickle)
    if found:
        raise EngineError("weights_refused", f"{folder.name} holds {found}: code and pickles are never loaded")
    for name in configurations:
        if CODE_KEYS & _keys(folder / name):
            raise EngineError("weights_refused", f"{name} of {folder.name} asks for code of its own: it is never run")


def _read_pipeline(folder: Path, names: Sequence[str]) -> tuple[str | None, list[str]]:
    """A pickle to refuse, or None, and the configurations of everything in the folder. Raises EngineError."""
    try:
        components = components_of((folder / INDEX).read_bytes())
    except PipelineError as error:
        raise EngineError("weights_refused", f"{folder.name}: {error}") from error
    if not loaded_weights(names, components):
        reason = f"no component of {folder.name} has safetensors; convert the weights first"
        raise EngineError("weights_refused", reason)
    return refused_pickle(names, components), [name for name in names if name.endswith("config.json")]


def _names(folder: Path) -> list[str]:
    """All files below, relative to the folder. A link that leads nowhere counts too."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())


def _keys(file: Path) -> frozenset[str]:
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise EngineError("weights_refused", f"{file.name} of {file.parent.name} is not valid JSON") from error
    return frozenset(document) if isinstance(document, dict) else frozenset()
