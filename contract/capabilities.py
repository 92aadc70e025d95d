"""The capability table: which endpoint serves which types of model.

Adding an endpoint is a row here and a file in `proxy/endpoints/`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from contract.catalogue import ModelType

ENDPOINT_TYPES: Mapping[str, frozenset[ModelType]] = MappingProxyType(
    {
        "/v1/chat/completions": frozenset({ModelType.TEXT}),
        "/v1/completions": frozenset({ModelType.TEXT}),
        "/v1/images/generations": frozenset({ModelType.IMAGE}),
        "/v1/images/edits": frozenset({ModelType.EDIT}),
        # A variation starts from a picture, as an edit does: it is one without words.
        "/v1/images/variations": frozenset({ModelType.EDIT}),
    }
)


def endpoints_of(types: Iterable[ModelType]) -> tuple[str, ...]:
    """The endpoints that a model of these types serves, in the table's order."""
    wanted = frozenset(types)
    return tuple(path for path, served in ENDPOINT_TYPES.items() if served & wanted)
