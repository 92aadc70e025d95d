"""Where weights are, how they come, and whether an engine may be given them."""
