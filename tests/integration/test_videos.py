"""Text, picture, clip: two real models that do not fit together on one device, asked with the real OpenAI SDK."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.stack import ROOT, Stack, eventually, running

WEIGHTS = ROOT / "images" / "diffusers" / "shapes" / "weights"
PYTHON = ROOT / ".engines" / "diffusers" / "bin" / "python"
PROMPT = "a red circle on a blue background"
# What a player sees: frames, frames a second, width, height.
PROBE = """
import sys, av
with av.open(sys.argv[1]) as clip:
    stream = clip.streams.video[0]
    frames = sum(1 for _ in clip.decode(stream))
    print(frames, float(stream.average_rate), stream.width, stream.height)
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The two models of `models.json`, and memory for one of them."""
    folder = tmp_path_factory.mktemp("cinema")
    shipped = json.loads((ROOT / "models.json").read_text())
    (folder / "models.json").write_text(json.dumps({name: shipped[name] for name in ("shapes", "shapes-motion")}))
    settings = {"ROUNDHOUSE_MEMORY_BUDGET": '{"cpu": "1500MiB"}'}
    stack = Stack("process", folder, "rhfilm", "shapes-motion", WEIGHTS, folder / "models.json", settings=settings)
    with running(stack) as made:
        yield made


def extra(model: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = model.model_extra
    return found


def test_a_sentence_becomes_a_picture_and_the_picture_a_clip(cinema: Stack, tmp_path: Path) -> None:
    client = cinema.client()
    fields = {"fps": 4, "num_inference_steps": 4, "seed": 11}
    video = client.videos.create_and_poll(model="shapes-motion", prompt=PROMPT, extra_body=fields)
    assert video.status == "completed", video.error
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(client.videos.download_content(video.id).content)
    seen = subprocess.run([PYTHON, "-c", PROBE, clip], capture_output=True, text=True, check=True, timeout=120)
    frames, fps, width, height = seen.stdout.split()
    assert (int(frames), float(fps)) == (extra(video)["frames"], 4.0)
    assert float(video.seconds) == int(frames) / 4
    assert video.size == f"{width}x{height}"
    for variant in ("thumbnail", "spritesheet"):
        picture = client.videos.download_content(video.id, variant=variant).content  # type: ignore[arg-type]
        assert picture.startswith(b"\xff\xd8\xff")


def test_picture_and_clip_know_each_other(cinema: Stack) -> None:
    video = extra(next(iter(cinema.client().videos.list())))
    with httpx.Client(base_url=cinema.base_url, trust_env=False, timeout=60) as client:
        clip = client.get(f"/v1/artifacts/{video['artifact_id']}").json()
        keyframe = client.get(f"/v1/artifacts/{video['keyframe_id']}").json()
    assert (clip["model"], clip["parents"]) == ("shapes-motion", [keyframe["id"]])
    assert (keyframe["model"], keyframe["children"], keyframe["prompt"]) == ("shapes", [clip["id"]], PROMPT)
    assert (clip["seed"], keyframe["seed"]) == (11, 11)


def test_a_job_outlives_a_proxy_that_is_killed_and_is_made_once_more(cinema: Stack) -> None:
    client = cinema.client()
    before = {artifact["id"] for artifact in listed(cinema)}
    video = client.videos.create(model="shapes-motion", prompt=PROMPT, extra_body={"num_inference_steps": 60})
    eventually(lambda: bool(extra(client.videos.retrieve(video.id))["step"]), "the job has begun", 400)
    cinema.processes["proxy"].kill()
    cinema.processes.pop("proxy").wait(60)
    cinema.start("proxy")
    after = client.videos.poll(video.id)
    assert after.status == "completed", after.error
    assert extra(after)["restarted"] is True
    made = {artifact["id"] for artifact in listed(cinema)} - before
    assert made == {extra(after)["artifact_id"], extra(after)["keyframe_id"]}


def test_a_job_that_is_deleted_while_it_runs_is_gone_and_its_engine_free(cinema: Stack) -> None:
    client = cinema.client()
    video = client.videos.create(model="shapes-motion", prompt=PROMPT, extra_body={"num_inference_steps": 150})
    told = client.videos.retrieve
    eventually(
        lambda: extra(told(video.id))["stage"] == "video" and bool(extra(told(video.id))["step"]), "it runs", 400
    )
    assert client.videos.delete(video.id).deleted
    next_one = client.videos.create_and_poll(
        model="shapes-motion", prompt=PROMPT, extra_body={"num_inference_steps": 2, "seed": 1}
    )
    assert next_one.status == "completed", next_one.error


def listed(stack: Stack) -> list[dict[str, Any]]:
    answer = httpx.get(f"{stack.base_url}/v1/artifacts", params={"limit": 100}, trust_env=False, timeout=60)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found
