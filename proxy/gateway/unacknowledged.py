"""What the other side of a connection has not even received."""

import asyncio
import fcntl
import struct
import termios


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes written that the other side's kernel has not confirmed; -1 where the system does not tell."""
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:
        return -1
    queued: int = struct.unpack("i", answer)[0]
    return queued + transport.get_write_buffer_size()
