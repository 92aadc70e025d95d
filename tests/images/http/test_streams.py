"""Streams through the real SDK, callers who leave, and what the engine answers meanwhile."""

import socket
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from tests.images.pictures import mask, opened, png, same
from tests.images.server import Engine, Engines

MADE = "/v1/images/generations"
LONG = {"prompt": "x", "num_inference_steps": 200, "size": "128x128"}


@pytest.fixture(scope="module")
def sd15(engine: Engines) -> Engine:
    return engine("sd15")


def test_previews_come_in_order_and_then_the_picture(sd15: Engine) -> None:
    body = {"num_inference_steps": 6, "seed": 4}
    events = list(
        sd15.sdk().images.generate(prompt="x", stream=True, partial_images=2, output_format="webp", extra_body=body)
    )
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.model_dump().get("partial_image_index") for event in events[:2]] == [0, 1]
    for event in events:
        assert (event.size, event.quality, event.background, event.output_format) == (
            "64x64",
            "medium",
            "opaque",
            "webp",
        )
        assert opened(event.b64_json).size == (64, 64)
        assert event.created_at > 0
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.total_tokens == 0
    plain = sd15.sdk().images.generate(prompt="x", output_format="webp", extra_body=body)
    assert (plain.data or [])[0].b64_json == last.b64_json


def test_steps_come_only_to_a_caller_that_asks(sd15: Engine) -> None:
    def types(**more: bool) -> Counter[str]:
        body = {"num_inference_steps": 3, **more}
        return Counter(event.type for event in sd15.sdk().images.generate(prompt="x", stream=True, extra_body=body))

    assert types() == {"image_generation.completed": 1}
    assert types(progress=True) == {"image_generation.progress": 3, "image_generation.completed": 1}


def test_every_picture_of_several_is_completed_once(sd15: Engine) -> None:
    stream = sd15.sdk().images.generate(prompt="x", stream=True, n=3, extra_body={"num_inference_steps": 2, "seed": 7})
    told = [event.model_dump() for event in stream]
    assert sorted((event["index"], event["seed"]) for event in told) == [(0, 7), (1, 8), (2, 9)]


def test_previews_of_a_masked_edit_keep_what_the_mask_protects(sd15: Engine) -> None:
    stream = sd15.sdk().images.edit(
        image=png(), mask=mask(), prompt="x", stream=True, partial_images=1, extra_body={"num_inference_steps": 4}
    )
    first, last = list(stream)
    assert (first.type, last.type) == ("image_edit.partial_image", "image_edit.completed")
    assert same(opened(first.b64_json), opened(last.b64_json), (32, 0, 64, 64))


def test_an_early_failure_of_a_stream_is_a_status(sd15: Engine) -> None:
    body = {"prompt": "x", "stream": True, "scheduler": "none such"}
    answer = httpx.post(sd15.base_url + MADE, json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "scheduler")


@pytest.mark.parametrize("stream", [True, False], ids=["a stream", "a plain answer"])
def test_a_caller_who_leaves_ends_the_work_within_a_step(sd15: Engine, stream: bool) -> None:
    before = sd15.metric("roundhouse_steps_total")
    with Asked(sd15, LONG | {"stream": stream}):
        _until(lambda: sd15.metric("roundhouse_steps_total") > before)
    _until(lambda: sd15.metric("roundhouse_requests_running") == 0)
    after = sd15.metric("roundhouse_steps_total")
    assert after - before < 150
    assert sd15.metric("roundhouse_requests_waiting") == 0
    assert sd15.metric("roundhouse_steps_total") == after


def test_a_caller_who_leaves_the_queue_costs_no_step(sd15: Engine) -> None:
    with Asked(sd15, LONG):
        _until(lambda: sd15.metric("roundhouse_requests_running") == 1)
        with Asked(sd15, LONG | {"size": "64x64"}):
            _until(lambda: sd15.metric("roundhouse_requests_waiting") == 1)
        _until(lambda: sd15.metric("roundhouse_requests_waiting") == 0)
    _until(lambda: sd15.metric("roundhouse_requests_running") == 0)


def test_the_picture_after_one_that_was_called_off_is_what_it_would_have_been(sd15: Engine) -> None:
    body = {"num_inference_steps": 3, "seed": 21}
    first = sd15.sdk().images.generate(prompt="x", extra_body=body)
    before = sd15.metric("roundhouse_steps_total")
    with Asked(sd15, LONG):
        _until(lambda: sd15.metric("roundhouse_steps_total") > before)
    second = sd15.sdk().images.generate(prompt="x", extra_body=body)
    assert (first.data or [])[0].b64_json == (second.data or [])[0].b64_json


def test_health_and_metrics_answer_while_a_picture_is_made(sd15: Engine) -> None:
    """The bound is on the best of many: the machine is shared, an event loop that waits for a step is late always."""
    with sd15.http() as client, Asked(sd15, LONG):
        _until(lambda: sd15.metric("roundhouse_requests_running") == 1)
        for path in ("/health", "/metrics"):
            taken = []
            for _ in range(20):
                since = time.monotonic()
                assert client.get(path).status_code == 200
                taken.append(time.monotonic() - since)
            assert sorted(taken)[10] < 0.1


class Asked:
    """A request on a socket of its own, and gone at the end of the block."""

    def __init__(self, engine: Engine, body: dict[str, object]) -> None:
        data = httpx.Request("POST", engine.base_url + MADE, json=body)
        host, port = engine.base_url.removeprefix("http://").split(":")
        head = f"POST {MADE} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        self._request = f"{head}content-length: {len(data.content)}\r\n\r\n".encode() + data.content
        self._socket = socket.create_connection((host, int(port)))

    def __enter__(self) -> None:
        self._socket.sendall(self._request)

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
