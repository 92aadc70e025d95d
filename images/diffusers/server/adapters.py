"""LoRAs, ControlNets and IP-Adapters of the models folder: found by name, put on for one request, taken off exactly."""

import re
from dataclasses import dataclass
from pathlib import Path

from contract.errors import ApiError, Origin
from images.diffusers.server.tasks import Parameter, Task

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Shelf:
    """A folder of the models folder. What is on it is `NAME.safetensors`, or a folder `NAME`."""

    folder: Path
    param: Parameter

    def names(self) -> tuple[str, ...]:
        if not self.folder.is_dir():
            return ()
        found = (path.name.removesuffix(SUFFIX) for path in self.folder.iterdir() if _is_adapter(path))
        return tuple(sorted({name for name in found if NAME.fullmatch(name)}))

    def find(self, name: str) -> Path:
        """The file or folder of that name. Raises ApiError 400 with the names that are there."""
        if NAME.fullmatch(name):
            for path in (self.folder / f"{name}{SUFFIX}", self.folder / name):
                if _is_adapter(path):
                    return path
        there = ", ".join(self.names()) or "none"
        raise self.refused("unknown_adapter", f"There is no {name!r} among {self.folder.name}; there are: {there}.")

    def weights(self, path: Path) -> Path:
        """The one safetensors file of an adapter. Raises ApiError 400 where a folder has none or several."""
        files = [path] if path.is_file() else sorted(path.glob(f"*{SUFFIX}"))
        if len(files) != 1:
            raise self.refused(
                "bad_adapter", f"{path.name} of {self.folder.name} has {len(files)} safetensors files, not 1."
            )
        return files[0]

    def refused(self, code: str, message: str) -> ApiError:
        return ApiError(400, code, message, param=self.param.value, origin=Origin.ENGINE)


def _is_adapter(path: Path) -> bool:
    return path.is_dir() or (path.suffix == SUFFIX and path.is_file())


@dataclass(frozen=True)
class Shelves:
    """All that a request may name, under one models folder."""

    loras: Shelf
    controlnets: Shelf
    ip_adapters: Shelf

    @classmethod
    def under(cls, folder: Path) -> "Shelves":
        return cls(
            Shelf(folder / "loras", Parameter.LORAS),
            Shelf(folder / "controlnets", Parameter.CONTROLNET),
            Shelf(folder / "ip_adapters", Parameter.IP_ADAPTER),
        )

    def check(self, task: Task) -> None:
        """Raises ApiError 400 for a name that is not there. Reads the folders only."""
        for lora in task.loras:
            self.loras.find(lora.name)
        if len({lora.name for lora in task.loras}) < len(task.loras):
            raise self.loras.refused("duplicate_adapter", "A LoRA is named twice.")
        if task.controlnet is not None:
            self.controlnets.find(task.controlnet.name)
        if task.ip_adapter is not None:
            self.ip_adapters.find(task.ip_adapter.name)


def version(path: Path) -> tuple[str, int, int]:
    """What changes when the adapter's file does."""
    stat = path.stat()
    return (path.name, stat.st_mtime_ns, stat.st_size)
