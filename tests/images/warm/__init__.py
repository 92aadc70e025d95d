"""Programs of the engine's Python, forked from one that has imported the engine: half of a short program's time."""
