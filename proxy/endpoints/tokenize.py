"""Text to tokens and back. Engines serve both outside `/v1`."""

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS = (
    json_row("/v1/tokenize", "A text or a chat as tokens."),
    json_row("/v1/detokenize", "Tokens as a text."),
)


def routes(services: Services) -> tuple[Route, ...]:
    return (
        generation_route("/v1/tokenize", services, media_step(services.media), target="/tokenize"),
        generation_route("/v1/detokenize", services, target="/detokenize"),
    )
