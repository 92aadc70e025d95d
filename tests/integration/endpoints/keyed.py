"""A stack with a model that writes and one that embeds, both of the same small weights, whose callers have keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from openai import OpenAI

from contract.keys import KeyCreated, KeyList, ModelUsage
from contract.usage import Usage
from tests.integration.stack import Stack, eventually, running

WRITER, READER, OVERLONG = "writer", "reader", "overlong"
ADMIN = "an-admins-key-of-many-characters"
MODELS = {
    WRITER: {
        "type": "text",
        "source": "./smollm2",
        "memory": "4GiB",
        "args": {
            "max-model-len": 2048,
            "enable-auto-tool-choice": True,
            "tool-call-parser": "hermes",
            "tool-strict-level": "parameter",
        },
        "env": {"VLLM_ENABLE_RESPONSES_API_STORE": "1"},
    },
    READER: {
        "type": "embedding",
        "source": "./smollm2",
        "memory": "3GiB",
        "args": {"convert": "embed", "max-model-len": 512},
    },
    OVERLONG: {"type": "text", "source": "./smollm2", "memory": "1GiB", "args": {"max-model-len": 100_000}},
}


@dataclass(frozen=True)
class Caller:
    """Somebody with a key of their own, who has used nothing yet."""

    stack: Stack
    key: KeyCreated

    @property
    def sdk(self) -> OpenAI:
        return self.stack.client().with_options(api_key=self.key.key)

    def post(self, path: str, model: str, **body: object) -> httpx.Response:
        """What the SDK of OpenAI has no method for."""
        with self._client() as client:
            return client.post(path, json={"model": model, **body})

    @contextmanager
    def stream(self, path: str, model: str, **body: object) -> Iterator[Iterator[str]]:
        """The same, streamed: the data of each event as it comes. The end of the block leaves it."""
        wish = {"model": model, "stream": True, **body}
        with self._client() as client, client.stream("POST", path, json=wish) as answer:
            assert answer.status_code == 200, answer.read()
            yield (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))

    def _client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key.key}"}
        return httpx.Client(base_url=self.stack.base_url, headers=headers, timeout=300, trust_env=False)

    def requests(self) -> int:
        """How many were counted so far."""
        return sum(each.requests for each in self._usage())

    def used(self, after: int) -> Usage:
        """What was counted in all, once so many requests are: the last is counted when its answer has gone."""
        eventually(lambda: self.requests() >= after, f"{after} requests are counted", 10)
        assert self.requests() == after
        usage = self._usage()
        return Usage(sum(each.prompt_tokens for each in usage), sum(each.completion_tokens for each in usage))

    def _usage(self) -> tuple[ModelUsage, ...]:
        listed = KeyList.model_validate_json(as_admin(self.stack, "GET").content)
        return next(info.usage for info in listed.keys if info.id == self.key.id)


def as_admin(stack: Stack, method: str, body: object = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {ADMIN}"}
    return httpx.request(
        method, f"{stack.base_url}/admin/keys", headers=headers, json=body, timeout=60, trust_env=False
    ).raise_for_status()


def a_caller(stack: Stack) -> Caller:
    return Caller(stack, KeyCreated.model_validate_json(as_admin(stack, "POST", {"name": "a caller"}).content))


@contextmanager
def running_keyed(folder: Path, name: str) -> Iterator[Stack]:
    """As processes. Each engine starts when it is first asked."""
    catalogue, key = folder / "models.json", folder / "key"
    catalogue.write_text(json.dumps(MODELS))
    key.write_text(ADMIN)
    settings = {"ROUNDHOUSE_KEY_FILE": str(key)}
    with running(Stack("process", folder, name, WRITER, catalogue=catalogue, settings=settings)) as stack:
        yield stack
