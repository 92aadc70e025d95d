"""Programs of the engine's Python, forked from one that has imported the engine: ten seconds of a core less each."""
