"""How near texts are to each other, pair by pair."""

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS = (json_row("/v1/score", "How near texts are to each other, pair by pair."),)


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/score", services, media_step(services.media)),)
