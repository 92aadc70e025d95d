"""Pipelines of other classes on the weights of the one that was loaded."""

import copy
import inspect

import diffusers

from images.diffusers.server.foreign import Pipeline


class Pipelines:
    """The loaded pipeline and what was derived from it, by class name. Weights are shared, schedulers are not."""

    def __init__(self, base: Pipeline) -> None:
        base.set_progress_bar_config(disable=True)
        self.base = base
        self.scheduler = base.scheduler
        self._derived: dict[str, Pipeline] = {type(base).__name__: base}

    def of(self, name: str, **components: object) -> Pipeline:
        """The pipeline of the class `name`, with a scheduler of its own, fresh for one run.

        `components` are those that the class needs beside the shared ones (a ControlNet); such pipelines are not kept.
        """
        pipeline = derive(self.base, name, components) if components else self._kept(name)
        pipeline.scheduler = copy.deepcopy(self.scheduler)
        return pipeline

    def _kept(self, name: str) -> Pipeline:
        if name not in self._derived:
            self._derived[name] = derive(self.base, name, {})
        return self._derived[name]


def derive(base: Pipeline, name: str, components: dict[str, object]) -> Pipeline:
    """A pipeline of diffusers' class `name` that shares every component of `base`.

    `from_pipe` would do the same, but ends in a cast of the shared weights to one dtype, also of those that a family
    keeps in another (a VAE in float32).
    """
    kind = getattr(diffusers, name)
    wanted = inspect.signature(kind.__init__).parameters
    have: dict[str, object] = {**base.config, **base.components, **components}
    pipeline = kind(**{part: have[part] for part in wanted if part in have})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
