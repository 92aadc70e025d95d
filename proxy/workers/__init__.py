"""More than one worker: a parent that starts, keeps and stops them, and what a worker is at its start."""
