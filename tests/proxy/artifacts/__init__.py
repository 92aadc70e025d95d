"""The store of artifacts, from its files to its interface."""
