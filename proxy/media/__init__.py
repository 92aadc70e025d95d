"""Media in the bodies of text requests: found, fetched by one guarded fetcher, decoded, and handed on as data.

Engines never see a URL, and of a picture only what a decoder of ours, which may die of it, has made anew.
"""
