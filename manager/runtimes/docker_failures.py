"""What the Docker Engine says went wrong -> a code, and what to do about it. Pure."""

from manager.specification import EngineError

FAILED = "docker_failed"
NAME_TAKEN = "name_taken"

NO_NVIDIA = "install the NVIDIA Container Toolkit, run `nvidia-ctk runtime configure`, and restart Docker"
LOST_GPU = "see whether `nvidia-smi` on the host lists it; restart the manager when it is back"
FREE_DISK = "free some, `docker system df` says what takes it"
# Words of the daemon or of its socket, in lower case -> code, next step. The first that fits is taken.
KNOWN: tuple[tuple[str, str, str], ...] = (
    ("no such image", "image_missing", "run ./setup.sh to build or pull it"),
    ("port is already allocated", "port_taken", "stop what listens there, or publish another port"),
    ("address already in use", "port_taken", "stop what listens there, or publish another port"),
    ("is already in use by container", NAME_TAKEN, "rename one of the two"),
    ("could not select device driver", "gpu_runtime_missing", NO_NVIDIA),
    ("unknown device", "device_missing", LOST_GPU),
    ("unresolvable cdi devices", "device_missing", LOST_GPU),
    ("nvidia-container-cli", "device_missing", LOST_GPU),
    ("bind source path does not exist", "mount_missing", "make the folder, or correct ROUNDHOUSE_MODELS_DIR"),
    ("non-overlapping ipv4 address pool", "networks_exhausted", "remove unused ones with `docker network prune`"),
    ("all predefined address pools have been", "networks_exhausted", "remove unused ones with `docker network prune`"),
    ("no space left on device", "disk_full", FREE_DISK),
    ("permissionerror", FAILED, "let the manager's user use Docker's socket: add it to the group that owns it"),
    ("filenotfounderror", FAILED, "Docker's socket is not there: start the Docker Engine"),
    ("connectionrefusederror", FAILED, "nobody listens at Docker's socket: start the Docker Engine"),
    ("read timed out", FAILED, "the Docker Engine hangs or has too much to do: see its log, restart it"),
)


def failure_of(said: str) -> EngineError:
    """An error with the daemon's own words, and the next step where one is known."""
    words = said.lower()
    for mark, code, advice in KNOWN:
        if mark in words:
            return EngineError(code, f"Docker: {said}; {advice}")
    return EngineError(FAILED, f"Docker: {said}")
