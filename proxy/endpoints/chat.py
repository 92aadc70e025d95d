"""Chat completions."""

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.gateway.media_marks import PARTS_IN_MESSAGES
from proxy.router import Route
from proxy.services import Services


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/chat/completions", services, media_step(services.media, PARTS_IN_MESSAGES)),)
