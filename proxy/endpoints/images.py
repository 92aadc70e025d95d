"""Pictures: made, edited, varied, and kept. Slow and dear: a failure that cost work is not met again by itself."""

from proxy.endpoints._artifact_view import Addresses
from proxy.endpoints._form import FormGeneration
from proxy.endpoints._generation import Dispatch, Generation
from proxy.endpoints._image_jobs import OrLater
from proxy.endpoints._keeping import Keeping, keeping_step
from proxy.gateway.asgi import COSTLY, App, Receive, Scope, Send
from proxy.openapi.images import FORMS, GENERATIONS, IMAGE_OPERATIONS
from proxy.router import Route
from proxy.services import Services

OPERATIONS = IMAGE_OPERATIONS


class Costly:
    """Marks its requests for the renderer of errors."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[COSTLY] = True
        await self._app(scope, receive, send)


def routes(services: Services) -> tuple[Route, ...]:
    def dispatch(path: str) -> Dispatch:
        return Dispatch(path, services, services.image_forwarder, keeping_step(services.artifacts))

    def kept(app: App) -> Keeping:
        return Keeping(app, services.gallery, Addresses(services.artifacts))

    now = kept(Generation(dispatch(GENERATIONS), services.body_size))
    made = Route("POST", GENERATIONS, Costly(OrLater(now, services)))
    forms = (Route("POST", path, Costly(kept(FormGeneration(dispatch(path), services.upload_size)))) for path in FORMS)
    return (made, *forms)
