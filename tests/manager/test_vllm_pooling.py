"""Entries of models that embed, score and rerank: their engine, its arguments, and what it refuses."""

import pytest

from contract.catalogue import ModelEntry, ModelType
from manager.engines import ENGINES, engine_for
from manager.engines.kind import Order, Weights
from manager.engines.vllm import CPU_IMAGE
from manager.engines.vllm_pooling import ENGINE
from manager.specification import DeviceKind, EngineSpec, Inside, Placement

GIB = 2**30
CPU = Placement(DeviceKind.CPU, ("cpu",), 4 * GIB, 20 * GIB)


def specified(**entry: object) -> EngineSpec:
    order = Order(
        name="m",
        entry=ModelEntry.model_validate({"type": "embedding", "source": "./m", **entry}),
        container="rh-m",
        weights=Weights("/models/m", GIB),
        placement=CPU,
        inside=Inside("/models", "/hub", "/cache"),
    )
    return ENGINE.specify(order)


def test_models_that_embed_and_models_that_rerank_have_an_engine_of_their_own() -> None:
    for types in ([ModelType.EMBEDDING], [ModelType.RERANK], [ModelType.EMBEDDING, ModelType.RERANK]):
        assert engine_for(ENGINES, types, None) is ENGINE
    assert engine_for(ENGINES, [ModelType.TEXT, ModelType.EMBEDDING], None) is None


def test_it_runs_in_vllms_image_and_environment_with_the_pooling_runner() -> None:
    spec = specified(args={"convert": "embed", "max-model-len": 512})
    assert (spec.engine, spec.environment, spec.image) == ("vllm_pooling", "vllm", CPU_IMAGE)
    assert " ".join(spec.arguments).endswith("--convert embed --max-model-len 512 --runner pooling")


def test_its_proof_is_one_that_models_of_both_types_can_give() -> None:
    probe = ENGINE.probe("m")
    assert (probe.path, probe.body["model"]) == ("/v1/score", "m")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"type": ["text", "embedding"], "engine": "vllm_pooling"}, "type"),
        ({"type": "rerank", "args": {"tool-call-parser": "hermes"}}, "args.tool-call-parser"),
        ({"type": "rerank", "args": {"convert": "--trust-remote-code"}}, "args.convert"),
        ({"type": "embedding", "env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD"),
        ({"type": "embedding", "defaults": {"temperature": 1.0}}, "defaults.temperature"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(entry: dict[str, object], named: str) -> None:
    problem = ENGINE.problem_with(ModelEntry.model_validate(entry))
    assert problem is not None
    assert problem.startswith(named)
