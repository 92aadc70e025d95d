"""The index as an SQLite file in the store's folder."""
