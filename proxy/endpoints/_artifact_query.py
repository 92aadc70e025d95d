"""What the address of a listing of artifacts asks for."""

from contract.artifacts import ArtifactKind
from proxy.artifacts.facts import MOST_PER_PAGE, PAGE, Query
from proxy.endpoints._parameters import Parameters, wrong_value
from proxy.gateway.asgi import Scope
from proxy.openapi.artifacts import FILTERS
from proxy.openapi.content import names_of

KNOWN = names_of(FILTERS)


def query_of(scope: Scope) -> Query:
    """A listing's address -> what is wanted. Raises ApiError (400)."""
    given = Parameters(scope, KNOWN)
    return Query(
        kinds=_kinds(given),
        model=given.text("model"),
        text=given.text("q"),
        since=given.number("since"),
        until=given.number("until"),
        purpose=given.text("purpose"),
        oldest_first=given.is_oldest_first(),
        limit=given.whole("limit", PAGE, MOST_PER_PAGE),
        after=given.text("after"),
    )


def _kinds(given: Parameters) -> tuple[ArtifactKind, ...]:
    try:
        return tuple(map(ArtifactKind, filter(None, (given.text("kind") or "").split(","))))
    except ValueError as error:
        raise wrong_value("kind", f"is one of: {', '.join(ArtifactKind)}") from error
