"""What workers ask each other."""

KEYS = "keys"  # look at the store at once, and write down what was used
METRICS = "metrics"  # tell what was counted, as Prometheus reads it
