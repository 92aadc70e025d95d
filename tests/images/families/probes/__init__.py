"""Run by the engine's Python; each prints one JSON object."""
