"""What the proxy counts of its work, and how it is told to Prometheus. On a request's way there are only additions."""
