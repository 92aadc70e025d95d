"""`x-ratelimit-*`, as the OpenAI SDK's users know them."""

from collections.abc import Sequence

from proxy.access.allowance import Allowance
from proxy.access.bucket import Bucket
from proxy.gateway.asgi import RawHeaders

NAMES = tuple(
    tuple(f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset"))
    for kind in ("requests", "tokens")
)


def rate_headers(allowances: Sequence[Allowance], now: float) -> RawHeaders:
    """The limits of whoever asks; where a key's and its user's stand, the one of which less is left."""
    headers: RawHeaders = []
    for place, names in enumerate(NAMES):
        tightest: Bucket | None = None
        for allowance in allowances:
            bucket = allowance.buckets[place]
            if bucket is not None and (tightest is None or bucket.level(now) < tightest.level(now)):
                tightest = bucket
        if tightest is not None:
            _tell(headers, tightest, names, now)
    return headers


def _tell(headers: RawHeaders, bucket: Bucket, names: tuple[bytes, ...], now: float) -> None:
    left = bucket.level(now)
    headers.append((names[0], b"%d" % bucket.size))
    headers.append((names[1], b"%d" % left if left > 0 else b"0"))
    headers.append((names[2], duration(bucket.until_full(now))))


def duration(seconds: float) -> bytes:
    """Seconds -> `1m12.5s`, as OpenAI writes it: whole minutes, then seconds to the millisecond."""
    if seconds < 59.9995:
        return b"%gs" % round(seconds, 3)
    minutes, rest = divmod(round(seconds, 3), 60)
    return b"%dm%gs" % (minutes, round(rest, 3))
