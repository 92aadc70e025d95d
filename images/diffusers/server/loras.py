"""LoRAs: loaded once, switched on for one batch, and off again to the bit."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from safetensors import SafetensorError

from images.diffusers.server import failures
from images.diffusers.server.adapters import Shelf, version
from images.diffusers.server.foreign import Pipeline
from images.diffusers.server.tasks import Adapter

KEPT = 4
# What diffusers and peft raise for a file that is no LoRA, or one of another model.
MISFITS = (ValueError, LookupError, RuntimeError, OSError, SafetensorError)

Version = tuple[str, int, int]


class Loras:
    """The LoRAs that one loaded pipeline holds; at most `KEPT` beyond those in use, least recently used first out."""

    def __init__(self, shelf: Shelf, pipeline: Pipeline) -> None:
        self._shelf = shelf
        self._pipeline = pipeline
        self._loaded: OrderedDict[Version, str] = OrderedDict()
        self._count = 0

    @contextmanager
    def on(self, loras: Sequence[Adapter]) -> Iterator[str]:
        """Within, the pipeline draws with these. Gives a text that is different for different weights in effect.

        Raises ApiError 400 where a file does not fit the model.
        """
        if not loras:
            yield ""
            return
        names = [self._load(lora.name) for lora in loras]
        self._forget(len(names))
        self._pipeline.enable_lora()
        try:
            self._pipeline.set_adapters(names, [lora.scale for lora in loras])
            yield " ".join(f"{name}*{lora.scale}" for name, lora in zip(names, loras, strict=True))
        finally:
            self._pipeline.disable_lora()

    def _load(self, asked: str) -> str:
        path = self._shelf.weights(self._shelf.find(asked))
        key = version(path)
        if key not in self._loaded:
            self._count += 1
            self._read(str(path.parent), path.name, f"lora{self._count}", asked)
            self._loaded[key] = f"lora{self._count}"
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _read(self, folder: str, file: str, name: str, asked: str) -> None:
        try:
            self._pipeline.load_lora_weights(
                folder, weight_name=file, adapter_name=name, local_files_only=True, use_safetensors=True
            )
        except MISFITS as error:
            self._drop(name)
            if failures.is_out_of_memory(error):
                raise
            raise self._misfit(asked) from error
        if name not in self._present():
            raise self._misfit(asked)
        # Loading switches an adapter on; what it would do alone is not asked for yet.
        self._pipeline.disable_lora()

    def _misfit(self, asked: str) -> Exception:
        return self._shelf.refused("bad_adapter", f"The LoRA {asked!r} does not fit this model.")

    def _present(self) -> set[str]:
        return {name for names in self._pipeline.get_list_adapters().values() for name in names}

    def _drop(self, name: str) -> None:
        if name in self._present():
            self._pipeline.delete_adapters([name])
            self._pipeline.disable_lora()

    def _forget(self, in_use: int) -> None:
        while len(self._loaded) > max(KEPT, in_use):
            _, name = self._loaded.popitem(last=False)
            self._pipeline.delete_adapters([name])
