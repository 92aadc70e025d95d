"""`x-ratelimit-*`, as the OpenAI SDK's users know them."""

from collections.abc import Iterable, Sequence

from proxy.access.allowance import Allowance
from proxy.access.bucket import Bucket


def _form(kind: bytes) -> bytes:
    names = (b"x-ratelimit-%b-%b" % (what, kind) for what in (b"limit", b"remaining", b"reset"))
    return b"%b: %%d\r\n%b: %%d\r\n%b: %%b\r\n" % tuple(names)


REQUESTS, TOKENS = _form(b"requests"), _form(b"tokens")


def rate_lines(allowances: Sequence[Allowance], now: float) -> bytes:
    """The limits of whoever asks; where a key's and its user's stand, the one of which less is left."""
    if len(allowances) == 1:
        requests, tokens = allowances[0].buckets
    else:
        kinds = zip(*(each.buckets for each in allowances), strict=True)
        requests, tokens = (_tightest(buckets, now) for buckets in kinds)
    told = _tell(REQUESTS, requests, now) if requests is not None else b""
    return told + _tell(TOKENS, tokens, now) if tokens is not None else told


def _tightest(buckets: Iterable[Bucket | None], now: float) -> Bucket | None:
    limited = [bucket for bucket in buckets if bucket is not None]
    return min(limited, key=lambda bucket: bucket.level(now), default=None)


def _tell(form: bytes, bucket: Bucket, now: float) -> bytes:
    size, left = bucket.size, bucket.level(now)
    missing = 60_000.0 * (size - left) / size  # milliseconds until it is full again
    reset = (b"%dms" % round(missing) if missing >= 0.5 else b"0s") if missing < 999.5 else duration(missing / 1000)
    return form % (size, left if left > 0 else 0, reset)


def duration(seconds: float) -> bytes:
    """Seconds -> `20ms`, `1.5s`, `1m12.5s`: as OpenAI writes it, to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return b"%dms" % milliseconds if milliseconds else b"0s"
    whole, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(whole, 60)
    told = b"%dm%d" % (minutes, rest) if minutes else b"%d" % rest
    return told + (b".%03d" % milliseconds).rstrip(b"0") + b"s" if milliseconds else told + b"s"
