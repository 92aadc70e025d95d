"""Where a model's weights are, and whether an engine may be given them.

Local models lie under the models folder, hub repositories in the hub's own cache layout. Weights are safetensors,
and a model that brings code is refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from contract.catalogue import ModelEntry
from manager.engines.kind import Weights
from manager.specification import EngineError, Inside

CODE_AND_PICKLES = frozenset({".py", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
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
        """The folder of an entry's weights, or None while they are not here."""
        if entry.source is None:
            return None
        folder = self._local(entry.source) if entry.is_local else self._cached(entry.source, entry.revision or "main")
        return folder if folder is not None and folder.here.is_dir() else None

    def size_of(self, entry: ModelEntry) -> int:
        """Bytes of the entry's safetensors; 0 while they are not here."""
        folder = self.find(entry)
        return sum(file.stat().st_size for file in folder.here.glob("*.safetensors")) if folder else 0

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
        snapshot = f"{repository}/snapshots/{commit}"
        return WeightsFolder(self.hub_dir / snapshot, f"{self.inside.hub}/{snapshot}")


def refuse_unsafe(folder: Path) -> None:
    """Raises EngineError unless the folder holds safetensors and neither code nor pickles."""
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    if not any(file.suffix == ".safetensors" for file in files):
        raise EngineError("weights_refused", f"{folder.name} holds no safetensors; convert the weights first")
    for file in files:
        if file.suffix in CODE_AND_PICKLES:
            raise EngineError("weights_refused", f"{folder.name} holds {file.name}: code and pickles are never loaded")
    for name in CONFIGURATIONS:
        if (folder / name).is_file() and CODE_KEYS & _keys(folder / name):
            raise EngineError("weights_refused", f"{name} of {folder.name} asks for code of its own: it is never run")


def _keys(file: Path) -> frozenset[str]:
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise EngineError("weights_refused", f"{file.name} of {file.parent.name} is not valid JSON") from error
    return frozenset(document) if isinstance(document, dict) else frozenset()
