"""A store and jobs with something in them: what schemathesis is to find there, by the parameter that names it."""

import warnings

from openai import AsyncOpenAI

from tests.fakes.pictures import png

KNOWN = "SCHEMATHESIS_KNOWN"  # the environment variable that tells its hooks
SPARE = 4  # things of each kind that may be deleted

Known = dict[str, list[str]]


async def stock(client: AsyncOpenAI) -> Known:
    """Of each kind the first is to stay, the others may go. The pictures were made here, the files uploaded."""
    count = 1 + SPARE
    pictures = await client.images.generate(model="m", prompt="a hill", n=count, response_format="url")
    files = [await client.files.create(file=("a.png", png()), purpose="vision") for _ in range(count)]
    uploads = [
        await client.uploads.create(bytes=4, filename="a.txt", mime_type="text/plain", purpose="user_data")
        for _ in range(2)
    ]
    with warnings.catch_warnings():  # of the SDK, for OpenAI's own service of clips
        warnings.simplefilter("ignore", DeprecationWarning)
        clips = [await client.videos.create_and_poll(model="clip", prompt="a ball") for _ in range(count)]
    return {
        "artifact_id": [str(each.url).split("/")[5] for each in pictures.data or []],
        "file_id": [file.id for file in files],
        "upload_id": [upload.id for upload in uploads],
        "video_id": [clip.id for clip in clips[::2]],
        "job_id": [clip.id for clip in clips[1::2]],
    }
