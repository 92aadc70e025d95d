"""Run by the Diffusers engine's own Python: what `benchmarks/images.py` compares the engine with."""
