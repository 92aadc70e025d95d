"""The engine without Roundhouse, in the very container or process that Roundhouse would start."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from manager.app import make_manager, make_runtime
from manager.runtimes.runtime import Runtime
from manager.settings import ManagerSettings
from manager.specification import EngineSpec
from tests.integration.stack import MODEL, ROOT, Stack


class EngineAlone:
    """The engine of a stack's model; its own container name keeps it apart from the stack's."""

    def __init__(self, stack: Stack) -> None:
        self.settings = ManagerSettings(
            runtime="docker" if stack.runtime == "docker" else "process",
            instance=f"{stack.instance}-alone",
            catalogue=ROOT / "models.json",
            models_dir=ROOT / "models",
            hub_dir=stack.folder / "hub",
            run_dir=stack.folder / "alone",
            engines_dir=ROOT / ".engines",
            token_file=stack.folder / "alone" / "token",
        )

    @contextmanager
    def running(self) -> Iterator[str]:
        """Starts it; gives its address at once, long before it serves; removes it in the end."""
        with asyncio.Runner() as runner:
            runtime = make_runtime(self.settings)
            runner.run(runtime.open())
            spec = runner.run(self._specification(runtime))
            try:
                runner.run(runtime.start(spec))
                yield runner.run(runtime.endpoint(spec, None))
            finally:
                runner.run(runtime.stop(spec.container, 30))
                runner.run(runtime.close())

    async def _specification(self, runtime: Runtime) -> EngineSpec:
        manager = make_manager(self.settings, runtime)
        supervisor = manager.control.supervisor
        fixed = supervisor.models[MODEL].fixed
        devices = supervisor.transitions.ledger.devices
        spec = await asyncio.to_thread(manager.effects.specify, fixed, fixed.places[0], devices)
        await manager.effects.client.aclose()
        return replace(spec, container=f"{self.settings.instance}-{MODEL}")
