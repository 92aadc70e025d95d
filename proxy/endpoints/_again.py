"""Why something cannot be made once more, as its caller is told."""

from contract.errors import DO_NOT_RETRY, ApiError


def cannot(why: str) -> ApiError:
    return ApiError(409, "not_reproducible", f"This cannot be made again: {why}.", headers=DO_NOT_RETRY)


def deleted(artifact_id: str) -> ApiError:
    """Of the picture that it was made from."""
    return cannot(f"the picture that it was made from, {artifact_id}, was deleted")
