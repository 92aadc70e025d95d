"""The data plane: the OpenAI-compatible gateway, its keys and limits, and the web page."""
