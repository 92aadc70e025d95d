"""Chat completions."""

from typing import Final

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.gateway.media_marks import PARTS_IN_MESSAGES
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS: Final = (json_row("/v1/chat/completions", "A chat completion."),)


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/chat/completions", services, media_step(services.media, PARTS_IN_MESSAGES)),)
