"""The one task that owns all engine state, and all that happens to a model: event, decision, effects, event."""
