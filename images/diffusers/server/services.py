"""What the endpoints share; made once, in `app.py`."""

from dataclasses import dataclass

from images.diffusers.server.families import BY_PIPELINE
from images.diffusers.server.metrics import Metrics
from images.diffusers.server.offer import Offer
from images.diffusers.server.phases import Phases
from images.diffusers.server.settings import Settings
from images.diffusers.server.worker import Worker


@dataclass(frozen=True)
class Services:
    worker: Worker
    settings: Settings
    metrics: Metrics
    phases: Phases

    def offer(self) -> Offer:
        """Raises ApiError 503 while the model loads."""
        return Offer(self.worker.model, self.settings.defaults, self.settings.safety_checker)


def known_extras() -> frozenset[str]:
    """Every number that any family knows beside the parameters of all."""
    recipes = (
        recipe for family in BY_PIPELINE.values() for table in family.recipes.values() for recipe in table.values()
    )
    return frozenset(name for recipe in recipes for name in recipe.extras)
