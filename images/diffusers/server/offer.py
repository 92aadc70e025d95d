"""What requests are judged by: the loaded model, and what its entry says of requests that are silent."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.images import DiffusionRequest
from images.diffusers.server import refusals
from images.diffusers.server.errors import refused
from images.diffusers.server.families.family import Recipe
from images.diffusers.server.loading import LoadedModel
from images.diffusers.server.tasks import Work


@dataclass(frozen=True)
class Offer:
    """`silent` are the entry's own defaults of request parameters."""

    model: LoadedModel
    silent: Mapping[str, object]
    safety_checker: bool

    def recipe(self, work: Work, pictures: int) -> Recipe:
        """How that work is done with so many pictures. Raises ApiError 400 where the model is not served for it."""
        if work not in self.model.recipes:
            raise refusals.no_such_work(work, self.model.recipes)
        return self.model.recipes[work].bringing(pictures)

    def does(self, work: Work) -> bool:
        return work in self.model.recipes

    def check_name(self, request: DiffusionRequest) -> None:
        """Raises ApiError 404 where the request names another model."""
        names = self.model.names
        if request.model is not None and request.model not in names:
            message = f"{request.model!r} is not served here; served is {', '.join(names)}."
            raise refused("model_not_found", message, "model", status=404)
