"""Pure: who starts next, who makes room, and whose memory it is. No asyncio, no effects, no clock of its own."""
