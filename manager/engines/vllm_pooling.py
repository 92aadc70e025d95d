"""vLLM without a text to make: embeddings, scores, reranking. The same images and environment as vLLM's own.

One engine has one runner, so an entry is of these types or of `text`, never of both. Facts are of vLLM 0.32.0:
`/v1/embeddings` is there where the model embeds, `/v1/score` and `/v1/rerank` also where it classifies with one label.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract.catalogue import ModelEntry, ModelType
from manager.engines.arguments import ArgumentRule, problem_with_values
from manager.engines.kind import Order, Probe
from manager.engines.vllm import ARGUMENTS, ENVIRONMENT, Vllm
from manager.specification import EngineSpec

_OF_TEXT = {
    *("enable-auto-tool-choice", "tool-call-parser", "tool-strict-level"),
    *("reasoning-parser", "enable-chunked-prefill"),
}
POOLING_ARGUMENTS: Mapping[str, ArgumentRule] = {
    **{name: rule for name, rule in ARGUMENTS.items() if name not in _OF_TEXT},
    # What a model that was trained to write is made into; vLLM knows it of those that were not.
    "convert": ArgumentRule(str, choices=("auto", "embed", "classify")),
}
POOLING_ENVIRONMENT = ENVIRONMENT - {"VLLM_ENABLE_RESPONSES_API_STORE"}


@dataclass(frozen=True)
class VllmPooling(Vllm):
    """vLLM's OpenAI server with a pooling model."""

    name: str = "vllm_pooling"
    default_for: frozenset[ModelType] = frozenset({ModelType.EMBEDDING, ModelType.RERANK})

    def probe(self, name: str) -> Probe:
        """A score: models that embed give one, and models that rerank."""
        return Probe("/v1/score", {"model": name, "text_1": "a", "text_2": "a"})

    def problem_with(self, entry: ModelEntry) -> str | None:
        if ModelType.TEXT in entry.type:
            return "type: one engine makes text or embeddings; write an entry for each, of the same source"
        unknown = sorted(set(entry.env) - POOLING_ENVIRONMENT)
        if unknown:
            allowed = ", ".join(sorted(POOLING_ENVIRONMENT))
            return f"env.{unknown[0]}: not allowed for {self.name}; allowed are {allowed}"
        return problem_with_values("args", entry.args, POOLING_ARGUMENTS) or problem_with_values(
            "defaults", entry.defaults, {}
        )

    def specify(self, order: Order) -> EngineSpec:
        """As vLLM's, with the runner of pooling models."""
        spec = super().specify(order)
        return replace(spec, environment="vllm", arguments=(*spec.arguments, "--runner", "pooling"))


ENGINE = VllmPooling()
