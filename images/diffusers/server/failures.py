"""A pipeline's own exceptions, mapped at one border to what a caller is told."""

import logging
from collections.abc import Sequence

import torch

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from images.diffusers.server.tasks import Task

LOG = logging.getLogger(__name__)
OUT_OF_MEMORY = "out_of_memory"
# What torch says when the host, not the device, has no memory left: a plain RuntimeError.
HOST_MEMORY = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in HOST_MEMORY)


def as_api_error(error: Exception, what: str, tasks: Sequence[Task] = ()) -> ApiError:
    """What the request is told: never a path, an address or a message of a library's. `what` was being done."""
    if isinstance(error, ApiError):
        return error
    if is_out_of_memory(error):
        return out_of_memory(tasks)
    LOG.error("%s failed", what, exc_info=error)
    message = f"The engine failed in {what} with {type(error).__name__}. It goes on; its log has the details."
    return ApiError(500, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)


def out_of_memory(tasks: Sequence[Task]) -> ApiError:
    """With the size that was asked for; without tasks it was the weights that found no room."""
    message = f"The device has not enough memory for {_size(tasks)}. {_advice(tasks)}"
    return ApiError(503, OUT_OF_MEMORY, message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)


def _size(tasks: Sequence[Task]) -> str:
    if not tasks:
        return "the model's weights"
    first = tasks[0]
    frames = f", {first.frames} frames" if first.frames > 1 else ""
    return f"{len(tasks)} x {first.width}x{first.height}{frames}"


def _advice(tasks: Sequence[Task]) -> str:
    if not tasks:
        return "Stop what else runs on the device, then wake the engine again."
    clip = tasks[0].frames > 1
    entry = "the model's entry can set vae-tiling, or a smaller max-batch-size"
    return f"Try a smaller size{' or fewer frames' if clip else ''}; {entry}."


def asleep() -> ApiError:
    message = "The engine is asleep: its weights are not on the device. POST /wake_up first; the manager does so."
    return ApiError(503, "engine_asleep", message, origin=Origin.ENGINE)


def loading() -> ApiError:
    message = "The engine is still loading its model. /health answers 200 when it can serve."
    return ApiError(503, "engine_loading", message, origin=Origin.ENGINE)


def called_off() -> ApiError:
    return ApiError(499, "cancelled", "The request was called off.", origin=Origin.ENGINE)
