"""Speech to text. The sound is a file of a form, bounded in size; the engine decodes it.

Whatever serves a model of type `audio` gets it; no engine takes that type by itself yet.
"""

from proxy.endpoints._form import FormGeneration
from proxy.endpoints._generation import Dispatch
from proxy.openapi.rows import form_row
from proxy.router import Route
from proxy.services import Services

PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")

OPERATIONS = (
    form_row(PATHS[0], "Speech as a text in its own language.", ("file",)),
    form_row(PATHS[1], "Speech as an English text.", ("file",)),
)


def routes(services: Services) -> tuple[Route, ...]:
    def form(path: str) -> FormGeneration:
        return FormGeneration(Dispatch(path, services, services.forwarder), services.upload_size)

    return tuple(Route("POST", path, form(path)) for path in PATHS)
