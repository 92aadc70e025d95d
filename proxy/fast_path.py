"""A plain request for a model that is ready goes to its engine at once: no task, and no wait for the loop's next turn.

It asks of a request what the ordinary way asks, with the same parts and in the same order: no body is read before the
guards have let it pass. Whatever is not plainly so (a stream, media, a header that says how to treat it, a model that
has to be waited for, no connection) it leaves to the ordinary way, which takes it from there.
"""

from collections.abc import Iterable
from functools import partial

from contract.errors import ApiError
from proxy.access.admission import Ticket
from proxy.access.gate import JUDGED, Gate
from proxy.endpoints._generation import WAIT
from proxy.flight import JSON, Flight, Ground, Over
from proxy.gateway.asgi import HEADERS, MODEL, Headers, Scope
from proxy.gateway.cycle import Cycle
from proxy.gateway.headers import TRACE
from proxy.gateway.keep_fields import has_keep_fields
from proxy.gateway.peek import peek
from proxy.gateway.peeked import Peeked
from proxy.lane import Lane
from proxy.router import Route
from proxy.services import Services


class FastPath:
    """As `protocol.py` calls it."""

    def __init__(self, ground: Ground, gate: Gate, services: Services, routes: Iterable[Route]) -> None:
        self._ground = ground
        self._gate = gate
        self._access = services.access
        self._feed = services.feed
        self._leases = services.leases
        self._lanes = {route.path: route.lane for route in routes if route.lane is not None}

    def __call__(self, scope: Scope, cycle: Cycle, body: bytes, over: Over) -> Flight | None:
        """A request whose body is whole -> its flight; None: it is for the ordinary way."""
        lane = self._lanes.get(scope["path"])
        if lane is None or not _is_usual(scope) or len(body) > lane.body_size or not self._passes(scope):
            return None
        peeked = _peek(lane, body)
        model = self._model(lane, peeked.model) if peeked is not None else None
        lease = self._leases.ready(model) if model is not None else None
        if peeked is None or model is None or lease is None or lease.address is None:
            return None
        address = lease.address
        connection = self._ground.pool.take(address)
        if connection is None:
            return None
        ticket = self._admit(scope, lane, model, peeked, len(body))
        if ticket is None:
            self._ground.pool.give_back(address, connection)
            return None
        flight = Flight(self._ground, scope, cycle, ticket, over)
        flight.depart(lane, lease, address, connection, body)
        return flight

    def _model(self, lane: Lane, named: str | None) -> str | None:
        directory = self._feed.directory
        return directory.serving[lane.path].get(named or "") if directory is not None else None

    def _passes(self, scope: Scope) -> bool:
        """Whether the guards let it pass; what they say the ordinary way tells."""
        try:
            self._gate.ask(scope)
        except ApiError as error:
            scope[JUDGED] = error
            return False
        scope[JUDGED] = None
        return True

    def _admit(self, scope: Scope, lane: Lane, model: str, peeked: Peeked, size: int) -> Ticket | None:
        """None: it is refused, which the ordinary way tells."""
        scope[MODEL] = model
        try:
            return self._access.admit(scope, model, partial(lane.expect, peeked, size))
        except ApiError as error:
            scope[JUDGED] = error
            return None


def _is_usual(scope: Scope) -> bool:
    headers: Headers = scope[HEADERS]
    asks_for_more = WAIT in headers or TRACE in headers
    return scope["method"] == "POST" and headers.get(b"content-type") == JSON and not asks_for_more


def _peek(lane: Lane, body: bytes) -> Peeked | None:
    try:
        peeked = peek(body)
    except ApiError:
        return None
    return None if peeked.stream or has_keep_fields(peeked) or lane.needs_more(body) else peeked
