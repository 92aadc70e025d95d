"""Pictures and clips as bytes, both ways. Everything here takes time: it is called in threads."""
