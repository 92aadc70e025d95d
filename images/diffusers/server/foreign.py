"""Names for what diffusers and transformers give us without a static type: attributes that are made at run time."""

from typing import Any, TypeAlias

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

Pipeline: TypeAlias = Any  # a DiffusionPipeline of any family: its components are its attributes
Scheduler: TypeAlias = Any
Network: TypeAlias = Any  # a torch.nn.Module with a configuration
Output: TypeAlias = Any  # what a pipeline, an encoder or a scheduler's step gives
Given: TypeAlias = Any  # an argument that is only handed on


def quiet() -> None:
    """Their bars and hints would push our own lines, the ones that people are shown, out of the log's end."""
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
