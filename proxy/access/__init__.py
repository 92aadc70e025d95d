"""Who may ask: the name that was asked for, the page that asks, and the key. One guard a file; `gate.py` asks them all.

All decide on scope["path"] and on headers, before a byte of the body is read.
"""
