"""Which files of a Diffusers pipeline are loaded and fetched, with the files of two well-known repositories."""

import json

import pytest

from manager.weights.pipelines import (
    INDEX,
    PipelineError,
    components_of,
    files_to_fetch,
    loaded_weights,
    refused_pickle,
)

SDXL_INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "_diffusers_version": "0.19.0.dev0",
    "force_zeros_for_empty_prompt": True,
    "add_watermarker": None,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SDXL_NEEDED = {
    INDEX,
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
SDXL_LEFT = {
    "README.md",
    "pipeline.png",
    "sd_xl_base_1.0.safetensors",
    "sd_xl_base_1.0_0.9vae.safetensors",
    "sd_xl_offset_example-lora_1.0.safetensors",
    "text_encoder/flax_model.msgpack",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.onnx",
    "text_encoder/openvino_model.bin",
    "text_encoder/openvino_model.xml",
    "text_encoder_2/model.fp16.safetensors",
    "text_encoder_2/model.onnx_data",
    "unet/diffusion_flax_model.msgpack",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/model.onnx_data",
    "unet/openvino_model.bin",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "vae_1_0/config.json",
    "vae_1_0/diffusion_pytorch_model.safetensors",
    "vae_decoder/config.json",
    "vae_decoder/model.onnx",
    "vae_decoder/openvino_model.bin",
}
FLUX_INDEX = {
    "_class_name": "FluxPipeline",
    "_diffusers_version": "0.30.0.dev0",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
FLUX_NEEDED = {
    INDEX,
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model-00001-of-00002.safetensors",
    "text_encoder_2/model-00002-of-00002.safetensors",
    "text_encoder_2/model.safetensors.index.json",
    "tokenizer/vocab.json",
    "tokenizer_2/spiece.model",
    "tokenizer_2/tokenizer.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00003-of-00003.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
FLUX_LEFT = {"README.md", "ae.safetensors", "flux1-schnell.safetensors", "schnell_grid.jpeg"}


def index_with(**items: object) -> bytes:
    return json.dumps({"_class_name": "StableDiffusionPipeline", **items}).encode()


@pytest.mark.parametrize(
    ("index", "needed", "left"),
    [(SDXL_INDEX, SDXL_NEEDED, SDXL_LEFT), (FLUX_INDEX, FLUX_NEEDED, FLUX_LEFT)],
    ids=["sdxl", "flux"],
)
def test_of_a_repository_only_what_the_pipeline_loads_is_fetched(
    index: dict[str, object], needed: set[str], left: set[str]
) -> None:
    components = components_of(json.dumps(index).encode())
    assert set(files_to_fetch(sorted(needed | left), components)) == needed
    weights = {name for name in needed if name.endswith(".safetensors")}
    assert set(loaded_weights(needed | left, components)) == weights


@pytest.mark.parametrize(
    "file",
    [
        "diffusion_pytorch_model.non_ema.safetensors",
        "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.bin.index.json",
        "diffusion_pytorch_model.bin",
        "model.onnx",
        "modeling.py",
        "deeper/config.json",
        "pytorch_lora_weights.safetensors",
    ],
)
def test_what_a_component_does_not_load_is_left_on_the_hub(file: str) -> None:
    names = ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", f"unet/{file}"]
    assert f"unet/{file}" not in files_to_fetch(names, ["unet"])


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("diffusion_pytorch_model.fp16.safetensors", "unet has its weights in fp16 alone"),
        ("diffusion_pytorch_model-00001-of-00002.fp16.safetensors", "unet has its weights in fp16 alone"),
        ("diffusion_pytorch_model.bin", "unet has no safetensors, only diffusion_pytorch_model.bin"),
        ("diffusion_pytorch_model.non_ema.safetensors", "unet has no safetensors, only"),
        ("model.gguf", "unet has no safetensors, only model.gguf"),
    ],
)
def test_a_component_without_whole_safetensors_is_refused_by_name(file: str, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        files_to_fetch([f"unet/{file}", "vae/diffusion_pytorch_model.safetensors"], ["unet", "vae"])


def test_a_pipeline_without_any_weights_is_refused() -> None:
    with pytest.raises(PipelineError, match="no safetensors"):
        files_to_fetch([INDEX, "unet/config.json"], ["unet"])


@pytest.mark.parametrize(
    "half", ["model.fp16.safetensors", "model.fp16-00001-of-00002.safetensors", "model-00001-of-00002.fp16.safetensors"]
)
def test_weights_in_fp16_count_where_there_are_no_others(half: str) -> None:
    assert loaded_weights([f"vae/{half}"], ["vae"]) == (f"vae/{half}",)
    assert loaded_weights([f"vae/{half}", "vae/model.safetensors"], ["vae"]) == ("vae/model.safetensors",)


def test_of_a_repository_with_all_components_in_fp16_only_these_are_fetched_for_float16() -> None:
    components = components_of(json.dumps(SDXL_INDEX).encode())
    fetched = set(files_to_fetch(sorted(SDXL_NEEDED | SDXL_LEFT), components, half=True))
    halves = {name for name in SDXL_LEFT if name.endswith(".fp16.safetensors")}
    assert fetched == {name for name in SDXL_NEEDED if not name.endswith(".safetensors")} | halves
    assert set(loaded_weights(SDXL_NEEDED | SDXL_LEFT, components, half=True)) == halves


def test_where_one_component_is_not_in_fp16_none_is_fetched_in_it() -> None:
    names = ["unet/model.fp16.safetensors", "unet/model.safetensors", "vae/model.safetensors"]
    fetched = files_to_fetch(names, ["unet", "vae"], half=True)
    assert set(fetched) == {INDEX, "unet/model.safetensors", "vae/model.safetensors"}


def test_a_component_with_pickles_alone_is_refused_for_float16_too() -> None:
    names = ["unet/model.fp16.safetensors", "unet/model.safetensors", "vae/diffusion_pytorch_model.fp16.bin"]
    with pytest.raises(PipelineError, match="vae has no safetensors"):
        files_to_fetch(names, ["unet", "vae"], half=True)


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        ("model.safetensors.index.fp16.json", "model-00001-of-00001.fp16.safetensors"),
        ("model.fp16.safetensors.index.json", "model.fp16-00001-of-00001.safetensors"),
    ],
)
def test_shards_in_fp16_come_with_their_index_and_without_the_plain_one(index: str, shard: str) -> None:
    plain = ["unet/model.safetensors.index.json", "unet/model-00001-of-00001.safetensors"]
    names = [f"unet/{index}", f"unet/{shard}", *plain]
    assert set(files_to_fetch(names, ["unet"], half=True)) == {INDEX, f"unet/{index}", f"unet/{shard}"}
    assert set(files_to_fetch(names, ["unet"])) == {INDEX, *plain}


@pytest.mark.parametrize("half", [True, False])
def test_a_component_in_fp16_alone_is_loaded_with_all_others_in_fp16(half: bool) -> None:
    names = ["unet/model.fp16.safetensors", "unet/model.safetensors", "vae/model.fp16.safetensors"]
    assert loaded_weights(names, ["unet", "vae"], half=half) == (
        "unet/model.fp16.safetensors",
        "vae/model.fp16.safetensors",
    )


def test_null_components_and_settings_name_no_folder() -> None:
    index = index_with(
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        image_encoder=[None, None],
        requires_safety_checker=True,
        text_encoder_out_layers=[9, 18, 27],
        nothing=[],
        _ignore_files=["unet/config.json"],
    )
    assert components_of(index) == ("safety_checker",)


@pytest.mark.parametrize(
    "items",
    [
        {"unet": ["my_pipeline", "X"]},
        {"unet": ["os", "system"]},
        {"unet": ["diffusers", "X", "more"]},
        {"unet": ["diffusers", None]},
        {"unet": ["diffusers"]},
        {"../other": ["diffusers", "UNet2DConditionModel"]},
        {"_class_name": ["my_pipeline", "MyPipeline"]},
        {"_class_name": None},
    ],
)
def test_an_index_that_names_code_outside_the_libraries_is_refused(items: dict[str, object]) -> None:
    with pytest.raises(PipelineError, match="never run"):
        components_of(index_with(**items))


@pytest.mark.parametrize("index", [b"{not json", b"\xff", b"[]", b"{}"])
def test_an_index_that_cannot_be_read_is_refused(index: bytes) -> None:
    with pytest.raises(PipelineError, match=INDEX):
        components_of(index)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("unet/diffusion_pytorch_model.bin", True),
        ("unet/diffusion_flax_model.msgpack", True),
        ("vae/diffusion_pytorch_model.bin", False),
        ("vae/pytorch_model-00001-of-00002.bin", False),
        ("vae/openvino_model.bin", False),
        ("vae/adapter_model.bin", True),
        ("vae/model.ckpt", True),
        ("vae/weights.pt", True),
        ("vae/weights.pth", True),
        ("v1-5-pruned.ckpt", True),
        ("vae_decoder/openvino_model.bin", False),
    ],
)
def test_a_pickle_is_refused_unless_it_stands_beside_the_same_weights_as_safetensors(name: str, refused: bool) -> None:
    names = ["unet/config.json", "vae/diffusion_pytorch_model.safetensors", name]
    assert refused_pickle(names, ["unet", "vae"]) == (name if refused else None)
