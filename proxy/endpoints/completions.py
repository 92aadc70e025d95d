"""Text completions."""

from proxy.endpoints._generation import generation_route
from proxy.router import Route
from proxy.services import Services


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/completions", services),)
