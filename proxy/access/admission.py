"""Whether a request may begin, and what it cost when it has ended."""

from collections.abc import Callable
from math import ceil
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from contract.usage import Usage
from proxy.access.allowance import OWN_LIMITS, Limits, Refusal
from proxy.access.gate import ADMITTED
from proxy.access.guard import GRANT
from proxy.access.keyring import Grant
from proxy.access.usage_book import UsageBook
from proxy.gateway.asgi import Scope

NOTHING: Final = Usage()
NO_MODEL: Final = ""  # of who has no key, nothing is counted
TICKET: Final = "roundhouse.ticket"  # in the scope: of the admitted request, where it has a key


class Ticket:
    """One admitted request. `settle` ends it: call it once, however the request ended; a second call does nothing.

    `counts`: whether its engine should be asked to say what it used. `expect`: what it is taken to cost meanwhile.
    """

    __slots__ = ("_access", "_grant", "_is_open", "_model", "_reserved", "counts", "expect")

    def __init__(self, access: "Access", grant: Grant | None, model: str, expect: Callable[[], Usage]) -> None:
        self._access = access
        self._grant = grant
        self._model = model
        self._is_open = grant is not None
        self._reserved: tuple[int, ...] = ()
        self.counts = grant is not None and grant.key.is_stored
        self.expect = expect

    def hold(self, reserved: tuple[int, ...]) -> None:
        """What was taken for it of each of its key's allowances."""
        self._reserved = reserved

    def outlive(self) -> "Ticket":
        """What was asked for goes on after the request: another ticket for it, to be settled in place of this one."""
        rest = Ticket(self._access, self._grant if self._is_open else None, self._model, self.expect)
        rest.hold(self._reserved)
        self._is_open = False
        return rest

    def settle(self, spent: Usage | None) -> None:
        """What the request cost; None: no engine worked for it."""
        if not self._is_open or self._grant is None:
            return
        self._is_open = False
        cost = spent or NOTHING
        if self._reserved:
            self._access.limits.settle(self._grant.allowances, self._reserved, cost.total)
        self._access.book.count(self._grant.key.id, self._model, cost)


class Access:
    """Admits requests. Not one step of it waits, so no two requests can both take the last of something."""

    def __init__(self, book: UsageBook, clock: Callable[[], float], limits: Limits = OWN_LIMITS) -> None:
        self.book = book
        self.limits = limits
        self._clock = clock
        self._free = Ticket(self, None, NO_MODEL, Usage)

    def admit(self, scope: Scope, model: str, expect: Callable[[], Usage]) -> Ticket:
        """A request for a model, by its own name -> its ticket. Raises ApiError (403, 429).

        `expect` is asked what the request will cost, where it matters.
        """
        grant: Grant | None = scope.get(GRANT)
        if grant is None:
            return self._free
        before: Ticket | None = scope.pop(ADMITTED, None)
        if before is not None:
            return before
        if not grant.key.may_use(model):
            raise _out_of_scope(model)
        ticket = scope[TICKET] = Ticket(self, grant, model, expect)
        if grant.allowances:
            self._reserve(grant, ticket, expect().total)
        return ticket

    def _reserve(self, grant: Grant, ticket: Ticket, tokens: int) -> None:
        taken = self.limits.take(grant.allowances, tokens, self._clock())
        if isinstance(taken, Refusal):
            raise _limited(taken)
        ticket.hold(taken)


def owner_of(scope: Scope) -> str:
    """Whose the request is: the key's user, else the key; "" where no key is asked for."""
    grant: Grant | None = scope.get(GRANT)
    return "" if grant is None else grant.key.user or grant.key.id


def key_of(scope: Scope) -> str:
    """The id of the key that was sent; "" where no key is asked for."""
    grant: Grant | None = scope.get(GRANT)
    return "" if grant is None else grant.key.id


def may_see(scope: Scope, model: str) -> bool:
    """Whether a model is within the scope of the key that asks."""
    grant: Grant | None = scope.get(GRANT)
    return grant is None or grant.key.may_use(model)


def _out_of_scope(model: str) -> ApiError:
    message = f"This key may not use the model '{model}'; GET /v1/models lists those that it may."
    return ApiError(403, "model_not_allowed", message, param="model", headers=DO_NOT_RETRY)


def _limited(refusal: Refusal) -> ApiError:
    whose = "This key" if refusal.holder.startswith("key") else "This key's user"
    wait = ceil(refusal.seconds)
    message = f"{whose} may have {refusal.what}; try again in {wait} s."
    return ApiError(429, "rate_limit_exceeded", message, headers={"retry-after": str(wait)})
