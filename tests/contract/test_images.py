"""The wire types of pictures: strict going in, and coming out what the SDK's own types expect."""

import pytest
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent, ImageGenPartialImageEvent
from openai.types import ImagesResponse as SdkResponse
from pydantic import ValidationError

from contract.images import (
    SEED_MOST,
    CompletedImage,
    EditRequest,
    GenerationRequest,
    ImagesResponse,
    Lora,
    PartialImage,
    PictureData,
    VariationRequest,
    VideoRequest,
)

MADE = {"seed": 1, "scheduler": "EulerDiscreteScheduler", "steps": 2, "guidance": 1.5, "revision": "r"}
EVENT = {"b64_json": "AA==", "created_at": 1, "output_format": "png", "quality": "low", "size": "64x64", "index": 0}


def test_the_least_that_a_request_says_is_its_prompt() -> None:
    request = GenerationRequest.model_validate({"prompt": "x"})
    assert (request.n, request.size, request.output_format, request.seed) == (1, "auto", "png", None)


@pytest.mark.parametrize(
    "field",
    [
        {"n": True},
        {"n": "1"},
        {"n": 1.0},
        {"seed": SEED_MOST + 1},
        {"guidance_scale": float("nan")},
        {"guidance_scale": float("inf")},
        {"guidance_scale": "1"},
        {"strength": 0.0},
        {"size": "064x64"},
        {"size": "64x64\n"},
        {"loras": [{"name": ""}]},
        {"loras": ({"name": "a"},)},
        {"prompt": "x" * 32_001},
        {"other": 1},
    ],
    ids=str,
)
def test_nothing_is_bent_until_it_fits(field: dict[str, object]) -> None:
    for kind in (GenerationRequest, EditRequest):
        with pytest.raises(ValidationError):
            kind.model_validate({"prompt": "x", **field})


def test_the_largest_seed_and_the_edges_of_all_bounds_are_taken() -> None:
    request = EditRequest.model_validate(
        {"prompt": "x", "seed": SEED_MOST, "strength": 1, "guidance_scale": 0, "num_inference_steps": 200, "n": 10}
    )
    assert (request.seed, request.strength) == (SEED_MOST, 1.0)


def test_variations_and_clips_of_a_picture_need_no_prompt() -> None:
    assert VariationRequest.model_validate({}).prompt == ""
    assert VideoRequest.model_validate({"motion_bucket_id": 0}).motion_bucket_id == 0


def test_an_adapter_is_as_it_was_trained_where_nothing_is_said() -> None:
    assert Lora(name="a").scale == 1.0


def test_the_answer_is_one_to_the_sdk_and_its_own_words_survive() -> None:
    data = [PictureData.model_validate({"b64_json": "AA==", **MADE})]
    answer = ImagesResponse(created=1, data=data, output_format="png", quality="low", size="64x64")
    read = SdkResponse.model_validate_json(answer.model_dump_json(exclude_none=True), strict=True)
    assert read.usage is not None
    assert (read.data or [])[0].model_dump()["seed"] == 1


def test_events_are_those_of_the_sdk() -> None:
    partial = PartialImage.model_validate({"type": "image_generation.partial_image", "partial_image_index": 0, **EVENT})
    ImageGenPartialImageEvent.model_validate_json(partial.model_dump_json(exclude_none=True), strict=True)
    for kind, sdk in (("image_generation", ImageGenCompletedEvent), ("image_edit", ImageEditCompletedEvent)):
        done = CompletedImage.model_validate({"type": f"{kind}.completed", **EVENT, **MADE})
        read = sdk.model_validate_json(done.model_dump_json(exclude_none=True), strict=True)
        assert read.usage.total_tokens == 0
