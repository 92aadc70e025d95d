"""The store of what is made and uploaded: bytes and sidecars in folders, an index beside them.

The files are the truth: the index is made of sidecars, and a lost one is made again. `store.py` is what the rest of
the proxy sees; all that may block happens in its threads.
"""
