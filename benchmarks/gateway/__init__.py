"""The gateway's speed, side by side with the proxies that others use. See `__main__.py`."""
