"""Text completions."""

from proxy.endpoints._generation import generation_route
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS = (json_row("/v1/completions", "A completion of a text."),)


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/completions", services),)
