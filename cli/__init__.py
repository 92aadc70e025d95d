"""The `roundhouse` command: sets the stack up and down, and is a thin client of the proxy."""
