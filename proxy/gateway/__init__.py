"""The hot path. Imports `contract` and nothing else of ours: what is fast stays small."""
