"""`/metrics` tells what the store kept and removed."""

from pathlib import Path

import pytest

from tests.fakes.pictures import png
from tests.proxy.test_artifacts import ARTIFACTS, upload
from tests.proxy.world import World, world

pytestmark = pytest.mark.anyio


async def told(w: World) -> dict[str, float]:
    """What stands at `/metrics` of the store."""
    lines = (await w.get("/metrics")).body.decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if line.startswith("roundhouse_artifact"))
    return {name: float(value) for name, _, value in pairs}


async def test_what_is_kept_and_removed_is_counted_by_kind(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = await told(w)
        assert set(before.values()) == {0.0}
        made = [await upload(w, png()), await upload(w, png()), await upload(w, b"words", name="a.txt")]
        assert (await w.get(f"{ARTIFACTS}/{made[0]['id']}", method="DELETE")).status == 200
        after = {name: value for name, value in (await told(w)).items() if value != before[name]}
    assert after == {
        'roundhouse_artifacts_kept_total{kind="image"}': 2,
        'roundhouse_artifacts_kept_total{kind="file"}': 1,
        'roundhouse_artifacts_removed_total{kind="image"}': 1,
        'roundhouse_artifact_bytes_kept_total{kind="image"}': 2 * len(png()),
        'roundhouse_artifact_bytes_kept_total{kind="file"}': 5,
    }
