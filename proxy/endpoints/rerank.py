"""Which of many documents is nearest to a question, as Jina's and Cohere's clients ask it."""

from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS = (json_row("/v1/rerank", "Documents in the order of their nearness to a question."),)


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/rerank", services, media_step(services.media)),)
