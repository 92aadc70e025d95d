"""What the workers of one proxy hold in common: a piece of memory, and a line to their parent."""
