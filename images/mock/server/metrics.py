"""What Prometheus is told."""

from images.mock.server.engine import Engine, Unit

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(engine: Engine) -> str:
    """Work in progress, work done, and whether the engine sleeps."""
    rows = (
        ("roundhouse_requests_running", "gauge", engine.running),
        ("roundhouse_requests_waiting", "gauge", engine.waiting),
        ("roundhouse_asleep", "gauge", int(engine.level > 0)),
        ("roundhouse_tokens_total", "counter", engine.made[Unit.TOKEN]),
        ("roundhouse_steps_total", "counter", engine.made[Unit.STEP]),
    )
    return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in rows)
