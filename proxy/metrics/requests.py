"""The families of what requests were: how many, how long, how many tokens."""

from collections.abc import Iterator, Mapping

from contract.prometheus import Exposition, Histogram, Labels
from proxy.metrics.conventions import operation_of
from proxy.metrics.meter import Meter, Series

PROVIDER = "roundhouse"

Measured = Iterator[tuple[Labels, Histogram]]


def write_requests(out: Exposition, meter: Meter) -> None:
    """All that the meter has counted."""
    out.counter("roundhouse_requests_total", "Requests, by how they ended.", _requests(meter))
    series = {_labels(path, model): each for (path, model), each in meter.series.items()}
    out.histogram(
        "gen_ai_client_operation_duration_seconds",
        "From a request that was understood to the end of its answer, waiting for its model included.",
        _durations(series),
    )
    out.histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "From a streamed request that was understood to its first event, waiting for its model included.",
        ((dict(labels), each.first_token) for labels, each in series.items() if each.first_token.count),
    )
    out.histogram(
        "gen_ai_server_time_per_output_token_seconds",
        "Of a stream whose tokens are known: the time from its first event to its end, for each further token.",
        ((dict(labels), each.per_token) for labels, each in series.items() if each.per_token.count),
    )
    out.histogram("gen_ai_client_token_usage", "Tokens of a request, as engines report them.", _tokens(series))


FrozenLabels = tuple[tuple[str, str], ...]


def _requests(meter: Meter) -> Iterator[tuple[Labels, float]]:
    for (path, model, digit), count in meter.requests.items():
        yield {"path": path, "model": model, "status": f"{digit}xx"}, count


def _labels(path: str, model: str) -> FrozenLabels:
    return (
        ("gen_ai_operation_name", operation_of(path)),
        ("gen_ai_provider_name", PROVIDER),
        ("gen_ai_request_model", model),
        ("path", path),
    )


def _durations(series: Mapping[FrozenLabels, Series]) -> Measured:
    for labels, each in series.items():
        yield dict(labels), each.duration
        for status, failed in each.failures.items():
            yield {**dict(labels), "error_type": str(status)}, failed


def _tokens(series: Mapping[FrozenLabels, Series]) -> Measured:
    for labels, each in series.items():
        for kind, histogram in (("input", each.prompt_tokens), ("output", each.completion_tokens)):
            if histogram.count:
                yield {**dict(labels), "gen_ai_token_type": kind}, histogram
