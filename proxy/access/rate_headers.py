"""`x-ratelimit-*`, as the OpenAI SDK's users know them."""

from collections.abc import Iterable, Sequence

from proxy.access.allowance import Allowance
from proxy.access.bucket import Bucket


def rate_lines(allowances: Sequence[Allowance], now: float) -> bytes:
    """The limits of whoever asks; where a key's and its user's stand, the one of which less is left."""
    if len(allowances) == 1:
        requests, tokens = allowances[0].buckets
    else:
        kinds = zip(*(each.buckets for each in allowances), strict=True)
        requests, tokens = (_tightest(buckets, now) for buckets in kinds)
    told = _tell(b"requests", requests, now) if requests is not None else b""
    return told + _tell(b"tokens", tokens, now) if tokens is not None else told


def _tightest(buckets: Iterable[Bucket | None], now: float) -> Bucket | None:
    limited = [bucket for bucket in buckets if bucket is not None]
    return min(limited, key=lambda bucket: bucket.level(now), default=None)


def _tell(kind: bytes, bucket: Bucket, now: float) -> bytes:
    size, left = bucket.size, bucket.level(now)
    missing = 60_000.0 * (size - left) / size  # milliseconds until it is full again
    reset = (b"%dms" % round(missing) if missing >= 0.5 else b"0s") if missing < 999.5 else duration(missing / 1000)
    remaining = b"%d" % int(left) if left > 0 else b"0"
    return b"x-ratelimit-limit-%b: %b\r\nx-ratelimit-remaining-%b: %b\r\nx-ratelimit-reset-%b: %b\r\n" % (
        kind,
        bucket.told_size,
        kind,
        remaining,
        kind,
        reset,
    )


def duration(seconds: float) -> bytes:
    """Seconds -> `20ms`, `1.5s`, `1m12.5s`: as OpenAI writes it, to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return b"%dms" % milliseconds if milliseconds else b"0s"
    whole, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(whole, 60)
    told = b"%dm%d" % (minutes, rest) if minutes else b"%d" % rest
    return told + (b".%03d" % milliseconds).rstrip(b"0") + b"s" if milliseconds else told + b"s"
