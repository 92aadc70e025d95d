"""Whether one of our HTTP services on this machine answers."""

import httpx


def is_healthy(port: int) -> bool:
    """Whether `GET /health` on the loopback address answers 200 within five seconds."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def complaint_of(port: int) -> str:
    """What the manager at this port has against `models.json` as it stands; "" where it has nothing or is not there."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False).json()
    except (httpx.TransportError, ValueError):
        return ""
    return str(answer.get("catalogue", "")) if isinstance(answer, dict) else ""
