"""Posters of clips, each made by a program of its own: a clip that kills it has none."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused

PROGRAM = Path(__file__).with_name("film_worker.py")


class Films:
    """Who asks sees to it that few clips are looked at at once."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits

    async def poster(self, clip: bytes) -> bytes:
        """An MP4 or WEBM -> its first picture, small, as WEBP. Raises MediaRefused."""
        limits = self._limits
        bounds = (limits.memory, limits.pixels, max(1, round(limits.decode)))
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(PROGRAM), *map(str, bounds)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(limits.decode):
                picture, _ = await program.communicate(clip)
        except TimeoutError as error:
            raise _refused() from error
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
        if program.returncode != 0:
            raise _refused()
        return picture


def _refused() -> MediaRefused:
    return MediaRefused("damaged_video", "the clip is damaged, too large, or of a codec that is not looked at")
