"""Text, picture, clip over two real models that do not fit together on one device."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.film import PROMPT, extra, get, seen
from tests.integration.stack import ROOT, Stack, running

WEIGHTS = ROOT / "images" / "diffusers" / "shapes" / "weights"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]


@pytest.fixture
def cinema(tmp_path: Path) -> Iterator[Stack]:
    """The two models of `models.json`, and memory for one of them."""
    shipped = json.loads((ROOT / "models.json").read_text())
    catalogue = tmp_path / "models.json"
    catalogue.write_text(json.dumps({name: shipped[name] for name in ("shapes", "shapes-motion")}))
    settings = {"ROUNDHOUSE_MEMORY_BUDGET": '{"cpu": "1500MiB"}'}
    with running(Stack("process", tmp_path, "rhfilm", "shapes-motion", WEIGHTS, catalogue, settings=settings)) as made:
        yield made


def test_a_sentence_becomes_a_picture_whose_model_makes_room_for_the_clips(cinema: Stack, tmp_path: Path) -> None:
    client = cinema.client()
    fields = {"fps": 4, "num_inference_steps": 4, "seed": 11}
    video = client.videos.create_and_poll(model="shapes-motion", prompt=PROMPT, extra_body=fields)
    assert video.status == "completed", video.error
    assert extra(video)["runs"] == 1
    found = seen(client.videos.download_content(video.id).content, tmp_path)
    assert (found.frames, found.fps, found.size) == (extra(video)["frames"], 4.0, video.size)
    clip = get(cinema, f"/v1/artifacts/{extra(video)['artifact_id']}").json()
    assert get(cinema, f"/v1/artifacts/{extra(video)['keyframe_id']}").json()["children"] == [clip["id"]]
    assert (cinema.state(), cinema.of("shapes").starts(), cinema.starts()) == ("ready", 1, 1)
    assert cinema.of("shapes").state() != "ready"
