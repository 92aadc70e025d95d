"""The manager's side of a fetch: one program for each, watched, and ended when nobody wants it any more."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from manager.specification import EngineError

Report = Callable[[int, int], None]


class Hub:
    """Fetches repositories into the cache at `folder`. `environment` is the fetching program's, token included."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, offline: bool) -> None:
        self.cache = folder / "hub"
        self.environment = dict(environment)
        self.offline = offline

    async def fetch(self, repository: str, revision: str, report: Report) -> None:
        """Returns when the weights are here; `report` gets bytes and total. Raises EngineError."""
        if self.offline:
            reason = f"the weights of {repository} are not here, and HF_HUB_OFFLINE forbids to fetch them"
            raise EngineError("weights_missing", reason)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "manager.fetch", repository, revision, str(self.cache.absolute())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self.environment,
            cwd=Path(__file__).parents[1],
        )
        try:
            await self._follow(program, repository, report)
        finally:
            if program.returncode is None:
                program.kill()
            await program.wait()

    async def _follow(self, program: asyncio.subprocess.Process, repository: str, report: Report) -> None:
        assert program.stdout is not None
        async for line in program.stdout:
            told = json.loads(line)
            if "error" in told:
                raise EngineError(told["error"], told["reason"])
            report(told["bytes"], told["total"])
        if await program.wait() != 0:
            raise EngineError("weights_missing", f"the fetch of {repository} ended with status {program.returncode}")
