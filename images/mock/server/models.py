"""The names that the engine answers to."""

from images.mock.server.errors import refused
from images.mock.server.settings import Settings


def require_served(name: str | None, settings: Settings) -> None:
    """A request that names no model means this one. Raises ApiError 404 for another's name."""
    if name is not None and name not in settings.served_model_name:
        served = ", ".join(settings.served_model_name)
        raise refused("model_not_found", f"{name} is not served here; {served} is.", "model", 404)
