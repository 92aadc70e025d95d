"""`/admin/keys`: keys made, listed and revoked. The text of a key is told once, to whoever made it."""

from collections.abc import Iterable

from pydantic import ValidationError

from contract.errors import DO_NOT_RETRY, ApiError
from contract.keys import KeyCreated, KeyInfo, KeyList, KeyWish
from proxy.access.store import KeyStore
from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.asgi import RawHeaders, Receive, Scope, Send, headers_of, respond
from proxy.gateway.body import read_body
from proxy.gateway.headers import is_json
from proxy.openapi.operation import JSON as JSON_TYPE
from proxy.openapi.operation import Operation, Parameter
from proxy.router import REST, Route
from proxy.services import Services

JSON = b"application/json"
KEYS = "/admin/keys"
WISH_SIZE = 256 * 2**10
UNSEEN: RawHeaders = [(b"cache-control", b"no-store")]

OPERATIONS = (
    Operation("GET", KEYS, "Every key that was ever made.", {200: {JSON_TYPE: KeyList}}),
    Operation(
        "POST",
        KEYS,
        "A key is made; its text is told this once.",
        {201: {JSON_TYPE: KeyCreated}},
        errors=frozenset({"404", "409"}),
        request={JSON_TYPE: KeyWish},
    ),
    Operation(
        "DELETE",
        f"{KEYS}/{{key_id}}",
        "A key is revoked.",
        {200: {JSON_TYPE: KeyInfo}},
        errors=frozenset({"409"}),
        parameters=(Parameter("key_id", "path", "the key's id", {"type": "string", "minLength": 1}),),
        route=f"{KEYS}/*",
    ),
)


class KeyListing:
    """Every key that was ever made, with what it used."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        keys = await self._store.list()
        await respond(send, 200, JSON, keys.model_dump_json().encode(), UNSEEN)


class KeyCreation:
    """Makes a key. Raises ApiError (400, 404, 409, 413, 415, 503)."""

    def __init__(self, store: KeyStore, feed: CatalogueFeed) -> None:
        self._store = store
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_json(headers_of(scope).get(b"content-type")):
            message = "Send the body as 'Content-Type: application/json', in UTF-8."
            raise ApiError(415, "unsupported_media_type", message, headers=DO_NOT_RETRY)
        wish = _wish_of(await read_body(scope, receive, WISH_SIZE))
        if wish.models is not None:
            wish = wish.model_copy(update={"models": await self._own_names(wish.models)})
        created = await self._store.create(wish)
        await respond(send, 201, JSON, created.model_dump_json().encode(), UNSEEN)

    async def _own_names(self, named: Iterable[str]) -> tuple[str, ...]:
        """Names and aliases -> the models' own: an alias may be given to another model one day."""
        directory = await self._feed.get()
        return tuple(dict.fromkeys(directory.find(name) for name in named))


class KeyRevocation:
    """Ends the key `/admin/keys/{id}`. Raises ApiError (404, 409, 503)."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        info = await self._store.revoke(scope[REST])
        await respond(send, 200, JSON, info.model_dump_json().encode(), UNSEEN)


def _wish_of(body: bytes) -> KeyWish:
    try:
        return KeyWish.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or None
        message = f"{f'{where!r}: ' if where else ''}{first['msg']}."
        raise ApiError(400, "invalid_value", message, param=where) from error


def routes(services: Services) -> tuple[Route, ...]:
    return (
        Route("GET", KEYS, KeyListing(services.keys)),
        Route("POST", KEYS, KeyCreation(services.keys, services.feed)),
        Route("DELETE", f"{KEYS}/*", KeyRevocation(services.keys)),
    )
