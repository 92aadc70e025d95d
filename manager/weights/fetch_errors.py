"""Why weights cannot be fetched, in words with the next step.

FetchError
    the one error that the fetching program tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from manager.weights.download import BrokenTransfer

KEPT = "what is here is kept, and the next try goes on from it"


class FetchError(Exception):
    """Raised where the weights cannot be had: a code, and a reason with the next step."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@contextmanager
def explaining(repository: str, revision: str) -> Iterator[None]:
    """Raises FetchError for all that the hub refuses, and where the line to it or the disk fails."""
    try:
        yield
    except GatedRepoError as error:
        reason = f"{repository} asks for an account: accept its terms on the hub, then set HF_TOKEN"
        raise FetchError("weights_gated", reason) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        reason = f"the hub has no {repository} at {revision}, or it is private: check `source`, or set HF_TOKEN"
        raise FetchError("weights_missing", reason) from error
    except HfHubHTTPError as error:
        code, reason = _refusal(error.response.status_code)
        raise FetchError(code, f"{repository} could not be fetched: the hub {reason}") from error
    except (httpx2.HTTPError, BrokenTransfer) as error:
        raise FetchError("hub_unreachable", f"{repository} could not be fetched: {error}; {KEPT}") from error
    except PermissionError as error:
        reason = f"{repository} could not be fetched: {error}; let the manager write there"
        raise FetchError("fetch_failed", reason) from error
    except OSError as error:
        raise FetchError("fetch_failed", f"{repository} could not be fetched: {error}; {KEPT}") from error


def _refusal(status: int) -> tuple[str, str]:
    """Code and reason for a status of the hub's."""
    match status:
        case 401:
            return "weights_gated", "does not accept the token: set HF_TOKEN to one that is valid"
        case 403:
            return "weights_gated", "forbids it to this account: ask for access there, or set the HF_TOKEN of another"
        case 404:
            return "weights_missing", "lacks a file that it lists: check `source` and `revision`"
        case 429:
            return "hub_unreachable", f"has had too many requests from here: wait some minutes, or set HF_TOKEN; {KEPT}"
    return "hub_unreachable", f"answers with status {status}; {KEPT}"
