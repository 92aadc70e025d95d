"""How near texts are to each other, pair by pair."""

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.router import Route
from proxy.services import Services


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/score", services, media_step(services.media)),)
