"""The wire types of pictures and clips: what is asked of an image engine, and what it answers.

Requests are strict: no text for a number, no truth for one, no NaN, no field that is not here. A field that is null
is absent. Sizes are pixels as `WIDTHxHEIGHT`; files of a form, and numbers that one model family alone knows, stand
beside these types.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SEED_MOST = 2**63 - 1
PROMPT_MOST = 32_000
PICTURES_MOST = 10

Text = Annotated[str, Field(max_length=PROMPT_MOST)]
Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_MOST)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Caller = Annotated[str, Field(max_length=512)]
# A picture as base64, with or without the head of a data URL.
Picture = Annotated[str, Field(min_length=1, max_length=70_000_000)]
Seed = Annotated[int, Field(ge=0, le=SEED_MOST)]
Size = Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$")]
Quality = Literal["auto", "low", "medium", "high", "standard", "hd", "xhigh", "max"]
Told = Literal["low", "medium", "high", "xhigh", "max"]
Format = Literal["png", "webp", "jpeg"]


class Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Lora(Wire):
    """A LoRA of the models folder; `scale` 1 is as it was trained, 0 is none of it."""

    name: Name
    scale: Annotated[float, Field(ge=-4, le=4)] = 1.0


class ControlPicture(Wire):
    """A ControlNet or an IP-Adapter of the models folder, and the picture that it follows."""

    name: Name
    image: Picture
    scale: Annotated[float, Field(ge=0, le=4)] = 1.0


class DiffusionRequest(Wire):
    """What every request may say. What is left out is the model's default; a seed is then drawn, and told."""

    model: Name | None = None
    negative_prompt: Text | None = None
    size: Size = "auto"
    seed: Seed | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=200)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=50)] | None = None
    scheduler: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    loras: Annotated[list[Lora], Field(max_length=8)] = []
    user: Caller | None = None
    safety_identifier: Caller | None = None


class PictureRequest(DiffusionRequest):
    """Requests whose answer is pictures. Picture i of `n` has the seed `seed + i`.

    `quality` scales the model's default number of steps: low 1/2; medium, auto and standard 1; high and hd 3/2; xhigh
    and max 2. `num_inference_steps` wins over it. `output_compression` is a quality of 0 to 100 for webp and jpeg;
    webp at 100, the default, is lossless.
    """

    n: Annotated[int, Field(ge=1, le=PICTURES_MOST)] = 1
    quality: Quality = "auto"
    background: Literal["opaque", "auto"] = "auto"
    output_format: Format = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    response_format: Literal["b64_json"] = "b64_json"
    moderation: Literal["auto", "low"] = "auto"
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    controlnet: ControlPicture | None = None
    ip_adapter: ControlPicture | None = None


class StreamingRequest(PictureRequest):
    """`partial_images` and `progress` are for streams. `progress` asks for events that no SDK knows: each step."""

    prompt: Prompt
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0
    progress: bool = False


class GenerationRequest(StreamingRequest):
    """POST /v1/images/generations, JSON."""


class EditRequest(StreamingRequest):
    """The fields of POST /v1/images/edits, a form; beside them are `image` or `image[]`, and `mask`."""


class VariationRequest(PictureRequest):
    """The fields of POST /v1/images/variations, a form; beside them is `image`."""

    prompt: Text = ""


class VideoRequest(DiffusionRequest):
    """POST /v1/videos/generations: JSON, or a form with a picture as `image` or `input_reference`.

    `seconds` or `num_frames` says how long. `motion_bucket_id` (more moves more) and `noise_aug_strength` are for
    models that move a picture.
    """

    prompt: Text = ""
    image: Picture | None = None
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    num_frames: Annotated[int, Field(ge=1, le=2000)] | None = None
    fps: Annotated[int, Field(ge=1, le=120)] | None = None
    motion_bucket_id: Annotated[int, Field(ge=0, le=255)] | None = None
    noise_aug_strength: Annotated[float, Field(ge=0, le=10)] | None = None


class TokenDetails(BaseModel):
    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """What SDKs expect to find. A diffusion model counts no tokens, so all of it is 0."""

    input_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()
    output_tokens: int = 0
    output_tokens_details: TokenDetails = TokenDetails()
    total_tokens: int = 0


class Made(BaseModel):
    """How a picture or a clip was made: enough to make it again. `flagged`: the safety checker blackened it."""

    seed: int
    scheduler: str
    steps: int
    guidance: float
    revision: str
    flagged: bool = False
    strength: float | None = None


class PictureData(Made):
    b64_json: str


class ImagesResponse(BaseModel):
    created: int
    data: list[PictureData]
    background: Literal["opaque"] = "opaque"
    output_format: Format
    quality: Told
    size: str
    usage: Usage = Usage()
    safety_identifier: str | None = None


class PictureEvent(BaseModel):
    """What the events of a stream that carry a picture have in common; `index` tells the pictures of one request."""

    b64_json: str
    background: Literal["opaque"] = "opaque"
    created_at: int
    output_format: Format
    quality: Told
    size: str
    index: int


class PartialImage(PictureEvent):
    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    partial_image_index: int


class CompletedImage(PictureEvent, Made):
    type: Literal["image_generation.completed", "image_edit.completed"]
    usage: Usage = Usage()
    safety_identifier: str | None = None


class ImageProgress(BaseModel):
    """Step `step` of `steps` of picture `index` is done."""

    type: Literal["image_generation.progress", "image_edit.progress"]
    index: int
    step: int
    steps: int


class VideoProgress(BaseModel):
    type: Literal["video.progress"] = "video.progress"
    step: int
    steps: int


class CompletedVideo(Made):
    """The clip as MP4 (H.264, yuv420p, fast start), base64. `seconds` is frames over frames a second.

    thumbnail_b64: its first frame, small; spritesheet_b64: frames of all its length side by side; both JPEG
    """

    type: Literal["video.completed"] = "video.completed"
    b64_json: str
    created_at: int
    width: int
    height: int
    fps: int
    frames: int
    seconds: float
    thumbnail_b64: str | None = None
    spritesheet_b64: str | None = None
    safety_identifier: str | None = None
