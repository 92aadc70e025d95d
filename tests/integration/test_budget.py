"""Two text models and `shapes` under a budget that holds one of the former at most: who asks is answered, in turn."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.images.pictures import opened
from tests.integration.stack import Stack, running
from tests.integration.swarm import Asked, Caller, Watcher, ask_for, logged, swaps, watched

TEXT = {"type": "text", "source": "./smollm2", "memory": "4GiB", "args": {"max-model-len": 1024}}
PICTURES = {
    "type": "image",
    "source": "./shapes",
    "memory": "1GiB",
    "idle_timeout": 2,
    "defaults": {"size": "64x64", "num_inference_steps": 8},
}
CATALOGUE = {"text-a": TEXT, "text-b": TEXT, "shapes": PICTURES}
SETTINGS = {
    "ROUNDHOUSE_MEMORY_BUDGET": json.dumps({"cpu": "5500MiB"}),
    "ROUNDHOUSE_FAIR_SHARE": "5",
    "ROUNDHOUSE_SETTLE": "0",
}
# Two who never leave `text-a` alone, one who wants `text-b` and may not starve, one who draws and then lets `shapes`
# fall asleep, and one who goes from model to model.
CALLERS = (
    Caller(("text-a",)),
    Caller(("text-a",)),
    Caller(("text-b",)),
    Caller(("shapes",) * 4, rest=6),
    Caller(("shapes", "text-a", "shapes", "text-b")),
)
MEBIBYTE = 2**20


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("process", marks=[pytest.mark.engine, pytest.mark.long]),
        pytest.param("docker", marks=[pytest.mark.engine, pytest.mark.docker]),
    ],
)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("budget")
    catalogue = folder / "models.json"
    catalogue.write_text(json.dumps(CATALOGUE))
    with running(Stack(request.param, folder, name="rhbudget", catalogue=catalogue, settings=SETTINGS)) as started:
        yield started


def ask(client: OpenAI, model: str, identity: str) -> str | None:
    return draw(client, identity) if model == "shapes" else chat(client, model, identity)


def chat(client: OpenAI, model: str, identity: str) -> str | None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
        max_tokens=20,
        extra_headers={"x-request-id": identity},
    )
    said = answer.choices[0].message.content or ""
    return None if "Paris" in said and answer.model == model else f"{answer.model} said {said!r}"


def draw(client: OpenAI, identity: str) -> str | None:
    made = client.images.generate(
        model="shapes", prompt="a red circle on a blue background", extra_headers={"x-request-id": identity}
    )
    size = opened(made.data[0].b64_json).size if made.data else None
    return None if size == (64, 64) else f"a picture of {size}"


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(75, marks=pytest.mark.timeout(600)),
        pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(1500)]),
    ],
)
def test_interleaved_requests_for_more_than_fits_are_all_answered_within_the_budget(
    stack: Stack, seconds: float
) -> None:
    earlier = len(logged(stack, 0))
    with watched(stack) as watcher:
        requests = ask_for(stack, seconds, CALLERS, ask)
    report(requests, watcher, swaps(stack))
    assert [asked for asked in requests if asked.fault is not None] == []
    told = logged(stack, earlier + len(requests))[earlier:]
    assert Counter(told) == Counter(("200", asked.identity, asked.model) for asked in requests)
    assert [look for look in watcher.looks if look.overbooked] == []
    assert [look for look in watcher.looks if len(look.beginning) > 1] == []
    assert [asked for asked in requests if is_passed_over(asked, watcher.turns())] == []
    served = Counter(asked.model for asked in requests)
    assert min(served[model] for model in CATALOGUE) > seconds // 150, served


def is_passed_over(asked: Asked, turns: list[tuple[float, str]]) -> bool:
    """Whether another text model had two turns before this request's own came, however steady the stream for it is.

    `shapes` fits beside either of them, and takes nobody's turn.
    """
    meanwhile = [(at, model) for at, model in turns if asked.sent < at < asked.answered]
    own = next((at for at, model in meanwhile if model == asked.model), asked.sent)
    others = Counter(model for at, model in meanwhile if at < own and model != "shapes")
    return any(count > 1 for count in others.values())


def report(requests: list[Asked], watcher: Watcher, swapped: list[str]) -> None:
    print("\n".join(swapped))
    for model in CATALOGUE:
        waits = sorted(asked.waited for asked in requests if asked.model == model)
        print(f"{model}: {len(waits)} answered, median {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.1f} s")
    print(f"looked {len(watcher.looks)} times; at most {watcher.highest / MEBIBYTE:.0f} MiB were booked")
