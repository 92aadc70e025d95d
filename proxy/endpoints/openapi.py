"""`GET /openapi.json`: what there is to ask for, and what it answers. Made once, of what the other files declare."""

import msgspec

from proxy.endpoints import find_operations
from proxy.gateway.asgi import Receive, Scope, Send, respond_json
from proxy.openapi.document import document
from proxy.openapi.operation import JSON, OBJECT, Operation
from proxy.router import Route
from proxy.services import Services

PATH = "/openapi.json"
OPERATIONS = (Operation("GET", PATH, "This document.", {200: {JSON: OBJECT}}),)


class Document:
    """The document, whole."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 200, self._body)


def routes(services: Services) -> tuple[Route, ...]:
    return (Route("GET", PATH, Document(msgspec.json.encode(document(find_operations())))),)
