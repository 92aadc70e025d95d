"""What an MP4 on standard input is."""

import io
import json
import sys

import av


def main() -> None:
    with av.open(io.BytesIO(sys.stdin.buffer.read()), "r") as container:
        stream = container.streams.video[0]
        frames = len(list(container.decode(stream)))
        codec = stream.codec_context
        facts = {"codec": codec.name, "pixels": codec.pix_fmt, "width": codec.width, "height": codec.height}
        print(json.dumps({**facts, "frames": frames, "rate": int(stream.average_rate or 0)}))


if __name__ == "__main__":
    main()
