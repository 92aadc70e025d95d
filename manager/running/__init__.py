"""One engine's life, from its preparation to its end: tasks that act and report, and decide nothing."""
