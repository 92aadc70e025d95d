"""Everything that crosses a process boundary, and nothing else.

The catalogue (`models.json`), model states, lease events, the capability table and the OpenAI error object.
"""
