"""Repeated prompts are encoded once: what the text encoders gave is kept, by the very bytes that they were given."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch.utils import _pytree as pytree

from images.diffusers.server.foreign import Given, Output, Pipeline
from images.diffusers.server.progress import Counters

PLAIN = (bool, int, float, str, type(None))


class Embeddings:
    """Outputs of text encoders, least recently used first out, at most `limit` bytes.

    One call is one entry: a batch is not taken apart, so that a repeated request gets the same bytes as before.
    """

    def __init__(self, limit: int, counters: Counters) -> None:
        self.context = ""  # what else their outputs depend on: the LoRAs in effect
        self._limit = limit
        self._counters = counters
        self._kept: OrderedDict[bytes, tuple[Output, int]] = OrderedDict()
        self._bytes = 0

    def attach(self, pipeline: Pipeline) -> None:
        """From now on every text encoder of the pipeline is asked through the cache."""
        for name, part in pipeline.components.items():
            if name.startswith("text_encoder") and isinstance(part, torch.nn.Module):
                part.forward = self._remembering(name, part.forward)

    def clear(self) -> None:
        """What is kept is wrong when the encoders change, and is in the way when memory is short."""
        self._kept.clear()
        self._bytes = 0

    def _remembering(self, name: str, forward: Callable[..., Output]) -> Callable[..., Output]:
        def remembered(*args: Given, **kwargs: Given) -> Output:
            key = _key(f"{name} {self.context}", args, kwargs)
            if key is None:
                return forward(*args, **kwargs)
            if key in self._kept:
                self._kept.move_to_end(key)
                self._counters.embeddings_hit_total += 1
                return _copied(self._kept[key][0])
            self._counters.embeddings_missed_total += 1
            output = forward(*args, **kwargs)
            self._keep(key, output)
            return output

        return remembered

    def _keep(self, key: bytes, output: Output) -> None:
        size = sum(leaf.nbytes for leaf in pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor))
        if size > self._limit:
            return
        self._kept[key] = (_copied(output), size)
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


def _copied(output: Output) -> Output:
    """A copy: pipelines may write into what an encoder gave them."""
    return pytree.tree_map_only(torch.Tensor, torch.clone, output)


def _key(name: str, args: tuple[Given, ...], kwargs: dict[str, Given]) -> bytes | None:
    """None where an argument is neither a tensor nor plain: such a call is not remembered."""
    leaves, structure = pytree.tree_flatten((args, dict(sorted(kwargs.items()))))
    digest = hashlib.sha256(f"{name} {structure}".encode())
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            digest.update(f"{leaf.dtype} {tuple(leaf.shape)} {leaf.device}".encode())
            digest.update(leaf.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(leaf, PLAIN):
            digest.update(repr(leaf).encode())
        else:
            return None
    return digest.digest()
