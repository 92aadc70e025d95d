"""The manager's side of a fetch: one program for each, watched, and ended when nobody wants it any more."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from manager.specification import EngineError
from manager.weights.hashes import Report


class Hub:
    """Fetches repositories into the hub's cache, and the hub's listings of them into `manifests`.

    `environment` is the fetching program's, token included.
    """

    def __init__(self, cache: Path, manifests: Path, environment: Mapping[str, str], *, offline: bool) -> None:
        self.cache = cache
        self.manifests = manifests
        self.environment = dict(environment)
        self.offline = offline

    async def fetch(self, repository: str, revision: str, report: Report, *, half: bool = False) -> None:
        """Returns when the weights are here; `report` gets bytes and total. Raises EngineError.

        `half`: a pipeline's weights in fp16 are enough, where the repository has them.
        """
        if self.offline:
            reason = f"the weights of {repository} are not here, and HF_HUB_OFFLINE forbids to fetch them"
            raise EngineError("weights_missing", reason)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "manager.weights.fetch", repository, revision),
            *(str(self.cache.absolute()), str(self.manifests.absolute()), *(("half",) if half else ())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
            cwd=Path(__file__).parents[2],
        )
        assert program.stderr is not None
        words = asyncio.create_task(program.stderr.read())
        try:
            if not await self._follow(program, report):
                raise EngineError("fetch_failed", f"the fetch of {repository} failed: {_last_line(await words)}")
        finally:
            if program.returncode is None:
                program.kill()
            await program.wait()
            words.cancel()

    async def _follow(self, program: asyncio.subprocess.Process, report: Report) -> bool:
        """Whether all is here; False where the program itself broke. Raises EngineError with what it tells."""
        assert program.stdout is not None
        async for line in program.stdout:
            told = json.loads(line)
            if "error" in told:
                raise EngineError(told["error"], told["reason"])
            report(told["bytes"], told["total"])
        return await program.wait() == 0


def _last_line(words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its program was ended"
