"""The proxy's world with an engine of clips behind `filmer`, and a painter for its keyframes behind `mover`."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI
from openai.types import Video

from contract.lease import Ready
from tests.fakes.image_engine import FakeImageEngine, ImageKnobs
from tests.fakes.video_engine import FakeVideoEngine, VideoKnobs
from tests.proxy.world import PATIENCE, World, until, world

MODELS: dict[str, dict[str, Any]] = {
    "painter": {"type": ["image", "edit"], "default_for": ["image", "edit"]},
    "filmer": {"type": "video", "aliases": ["sora-2"], "default_for": "video", "defaults": {"size": "64x48"}},
    "mover": {"type": "video", "keyframe": "painter", "defaults": {"num_frames": 16, "fps": 8}},
}


@dataclass
class Films:
    """`filmer` follows a prompt; `mover` needs a picture, and follows none. Both are behind `engine`."""

    world: World
    engine: FakeVideoEngine
    painter: FakeImageEngine

    @property
    def client(self) -> AsyncOpenAI:
        return self.world.client

    async def create(self, **fields: Any) -> Video:  # noqa: ANN401
        """As the SDK asks for a clip; it warns that OpenAI's own service is at its end."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return await self.client.videos.create(**{"prompt": "a red ball", **fields})

    async def get(self, video_id: str) -> Video:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return await self.client.videos.retrieve(video_id)

    async def over(self, video_id: str) -> Video:
        """The clip's job once it is over. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while (video := await self.get(video_id)).status in {"queued", "in_progress"}:
                await asyncio.sleep(0.01)
        return video


@asynccontextmanager
async def films(
    folder: Path,
    knobs: VideoKnobs | None = None,
    paint: ImageKnobs | None = None,
    **settings: Any,  # noqa: ANN401
) -> AsyncIterator[Films]:
    """The whole path, ready to be asked for clips."""
    values = {"artifacts_dir": folder / "artifacts", **settings}
    async with FakeVideoEngine(knobs) as engine, FakeImageEngine(paint) as painter, world(folder, **values) as made:
        made.manager.endpoints |= {"filmer": engine.url, "mover": engine.url, "painter": painter.url}
        await made.manager.change_catalogue(MODELS)
        await until(lambda: made.proxy.feed.directory is not None and "mover" in made.proxy.feed.directory.statuses)
        for lease in made.manager.leases:  # of jobs that were left from before
            await lease.send(Ready(endpoint=made.manager.endpoints[lease.model]))
        yield Films(made, engine, painter)
