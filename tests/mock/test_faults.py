"""Everything that the mock engine does wrong when it is told to."""

import signal
import threading
from pathlib import Path

import httpx
import pytest

from tests.mock.server import PATIENCE, Mock, running, started

ASK = {"prompt": "one two three four", "stream": True}


def asked(mock: Mock, answered: list[bytes], **more: object) -> threading.Thread:
    """A request on a thread of its own, for engines that do not answer."""

    def ask() -> None:
        try:
            with mock.http() as http, http.stream("POST", "/v1/completions", json={**ASK, **more}) as answer:
                answered.extend(answer.iter_raw())
        except httpx.TransportError:
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def test_it_dies_while_it_loads_with_its_reason_as_the_last_line(tmp_path: Path) -> None:
    with started(tmp_path, "--die-at-load") as mock:
        assert mock.process.wait(PATIENCE) == 1
    lines = mock.stderr.splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "RuntimeError: the mock engine was told to die while it loads its weights"


def test_it_dies_after_so_many_tokens_and_the_connection_is_cut(tmp_path: Path) -> None:
    with running(tmp_path, "--die-after-tokens", "2") as mock, mock.http() as http:
        http.post("/probe", json={}).raise_for_status()
        parts: list[bytes] = []
        with http.stream("POST", "/v1/completions", json=ASK) as answer, pytest.raises(httpx.RemoteProtocolError):
            parts.extend(answer.iter_raw())
        text = b"".join(parts)
        assert b" two" in text
        assert b" three" not in text
        assert mock.process.wait(PATIENCE) == 1
    assert mock.stderr.endswith("told to die after 2 tokens of one answer\n")


def test_a_whole_answer_that_it_dies_of_is_never_given(tmp_path: Path) -> None:
    with running(tmp_path, "--die-after-tokens", "4") as mock, mock.http() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/v1/completions", json={**ASK, "stream": False})
        assert mock.process.wait(PATIENCE) == 1


def test_it_dies_after_so_many_seconds(tmp_path: Path) -> None:
    with running(tmp_path, "--die-after-seconds", "0.5") as mock:
        assert mock.process.wait(PATIENCE) == 1
    assert mock.stderr.endswith("told to die after 0.5 s\n")


def test_a_hung_engine_accepts_and_is_healthy_and_makes_no_progress(tmp_path: Path) -> None:
    with running(tmp_path, "--hang-after-tokens", "2") as mock, mock.http() as http:
        http.post("/probe", json={}).raise_for_status()
        answered: list[bytes] = []
        asked(mock, answered)
        mock.until_metric("roundhouse_tokens_total", 3)
        asked(mock, answered)
        mock.until_metric("roundhouse_requests_running", 2)
        assert mock.metric("roundhouse_tokens_total") == 3, "the other request finds it hung, too"
        assert http.get("/health").status_code == 200
        assert b"[DONE]" not in b"".join(answered)


def test_a_hung_engine_never_lets_go_of_what_it_began(tmp_path: Path) -> None:
    with running(tmp_path, "--hang-after-tokens", "1", "--tokens-per-second", "0") as mock, mock.http() as http:
        with http.stream("POST", "/v1/completions", json=ASK) as answer:
            assert next(answer.iter_lines())
        asked(mock, [])
        mock.until_metric("roundhouse_requests_running", 2)


def test_a_hung_engine_ends_at_sigterm(tmp_path: Path) -> None:
    with running(tmp_path, "--hang-after-tokens", "0") as mock:
        asked(mock, [])
        mock.until_metric("roundhouse_requests_running", 1)
        mock.process.terminate()
        mock.process.wait(PATIENCE)


def test_what_finds_no_slot_waits(tmp_path: Path) -> None:
    with running(tmp_path, "--slots", "1", "--tokens", "10000", "--tokens-per-second", "5") as mock:
        for _ in range(3):
            asked(mock, [])
        mock.until_metric("roundhouse_requests_waiting", 2)
        assert mock.metric("roundhouse_requests_running") == 1


def test_the_metrics_can_be_silent_while_the_rest_answers(tmp_path: Path) -> None:
    with running(tmp_path, "--hang-metrics-after-seconds", "0") as mock, mock.http() as http:
        assert http.post("/v1/completions", json={"prompt": "a"}).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            http.get("/metrics", timeout=0.5)
    with running(tmp_path, "--hang-metrics-after-seconds", "3600") as mock:
        assert mock.metric("roundhouse_requests_running") == 0


def test_garbage_is_no_stream_and_no_document(mock: Mock) -> None:
    told = {"mock": {"garbage": True}}
    with mock.http() as http:
        stream = http.post("/v1/completions", json={**ASK, **told})
        whole = http.post("/v1/completions", json={"prompt": "a", **told})
    assert (stream.status_code, whole.status_code) == (200, 200)
    assert stream.content.endswith(b'"\xff')
    assert whole.headers["content-type"] == "text/html"


def test_sigterm_can_be_ignored(tmp_path: Path) -> None:
    with running(tmp_path, "--ignore-sigterm") as mock, mock.http() as http:
        mock.process.send_signal(signal.SIGTERM)
        assert http.get("/health").status_code == 200
        assert mock.process.poll() is None
        assert http.post("/v1/completions", json={"prompt": "a"}).status_code == 200


def test_sleep_and_waking_can_fail(tmp_path: Path) -> None:
    with running(tmp_path, "--fail-wake") as mock, mock.http() as http:
        assert http.post("/sleep?level=2").status_code == 200
        assert http.post("/wake_up").status_code == 500
        assert http.get("/is_sleeping").json() == {"is_sleeping": True}
    with running(tmp_path, "--fail-sleep") as mock, mock.http() as http:
        assert http.post("/sleep?level=2").status_code == 500
        assert http.get("/is_sleeping").json() == {"is_sleeping": False}


def test_knobs_in_requests_are_refused_where_the_engine_was_not_told_to_obey(tmp_path: Path) -> None:
    with running(tmp_path) as mock, mock.http() as http:
        refused = http.post("/v1/completions", json={"prompt": "a", "mock": {"tokens": 1}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "mock")
    assert "knobs-in-requests" in refused.json()["error"]["message"]


def test_a_request_may_say_what_goes_wrong_with_it(tmp_path: Path) -> None:
    with running(tmp_path, "--knobs-in-requests") as mock, mock.http() as http:
        assert http.post("/v1/completions", json={"prompt": "a"}).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/v1/completions", json={"prompt": "a", "mock": {"die_after_tokens": 0}})
        assert mock.process.wait(PATIENCE) == 1
