"""A model with a safety checker of its own, one that objects to everything or to nothing: facts."""

import json
import shutil
from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from images.diffusers.server.loading import StartError
from images.diffusers.server.tasks import Work
from tests.images.room.probes import hand

TOWER = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def facts(model: Path, scratch: Path) -> dict[str, object]:
    strict, lenient = scratch / "strict", scratch / "lenient"
    _with_checker(model, strict, threshold=-2.0)
    _with_checker(model, lenient, threshold=2.0)
    plain = hand.draw(hand.ready(model), hand.task())[0]
    return {
        "objects": _drawn(strict, plain, "--safety-checker"),
        "lets pass": _drawn(lenient, plain, "--safety-checker"),
        "off": _drawn(strict, plain),
        "not in the model": _refusal(model),
    }


def _drawn(model: Path, plain: hand.Pixels, *flags: str) -> dict[str, object]:
    studio = hand.ready(model, *flags)
    ear = hand.listen(studio, hand.task(), previews=1)
    edit = hand.listen(studio, hand.task(work=Work.EDIT, images=(hand.picture(),), strength=0.5)).made()[0]
    made, preview = ear.made()[0], ear.shown()[0]
    return {
        "flagged": [made.flagged, edit.flagged],
        "apart": hand.apart(plain, hand.pixels(made.frames[0])),
        "brightest": [int(hand.pixels(image).max()) for image in (made.frames[0], preview.image)],
    }


def _refusal(model: Path) -> str:
    try:
        hand.ready(model, "--safety-checker")
    except StartError as error:
        return str(error).replace(str(model), "MODEL")
    return ""


def _with_checker(model: Path, folder: Path, threshold: float) -> None:
    shutil.copytree(model, folder)
    torch.manual_seed(0)
    config = CLIPConfig(text_config=TOWER, vision_config=TOWER | {"image_size": 32, "patch_size": 8}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(threshold)
    checker.save_pretrained(str(folder / "safety_checker"))
    size = {"shortest_edge": 32}
    CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(
        str(folder / "feature_extractor")
    )
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    (folder / "model_index.json").write_text(json.dumps(index))
