"""The text encoder: a small CLIP text model that first learns to say back what a caption names."""

import random

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from images.diffusers.shapes.captions import PLACES, SHAPES, SIZES, Named, choose_named, write_caption
from images.diffusers.shapes.colours import NAMES
from images.diffusers.shapes.loop import Plan, Training, fit
from images.diffusers.shapes.render import Scenes, random_scenes
from images.diffusers.shapes.tokenizer import LENGTH, build_tokenizer

WIDTH = 128
CHOICES = (len(SHAPES), len(NAMES), len(NAMES), len(PLACES), len(SIZES))


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained CLIP text model for the tokenizer's vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def describe(scenes: Scenes, dice: torch.Generator) -> tuple[list[Named], list[str]]:
    """For each scene what is named of it, and a caption that names it."""
    letters = random.Random(int(torch.randint(2**31, (), generator=dice)))
    rows = torch.stack([scenes.shape, scenes.colour, scenes.background, scenes.place, scenes.size], 1).tolist()
    named = [choose_named(Named(*row), letters) for row in rows]
    return named, [write_caption(each, letters) for each in named]


def tokens_of(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token ids as Stable Diffusion's pipeline makes them: (n, 16)."""
    told = tokenizer(captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    ids: Tensor = told.input_ids
    return ids


class Reader(nn.Module):
    """The text encoder with one linear head an attribute; a head's last class is "not said"."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = build_text_encoder(tokenizer)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, choices + 1) for choices in CHOICES)

    def loss(self, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The heads' cross-entropy on `batch` fresh captions, and how often all five are right."""
        named, captions = describe(random_scenes(batch, dice), dice)
        targets = torch.tensor([answers(each) for each in named])
        pooled = self.encoder(tokens_of(self.tokenizer, captions)).pooler_output
        scores = [head(pooled) for head in self.heads]
        right = torch.stack([score.argmax(1) for score in scores], 1) == targets
        loss = torch.stack([cross_entropy(score, targets[:, i]) for i, score in enumerate(scores)]).sum()
        return loss, {"right": right.all(1).float().mean().item()}


def answers(named: Named) -> list[int]:
    """The class each head should choose."""
    values = (named.shape, named.colour, named.background, named.place, named.size)
    return [CHOICES[i] if value is None else value for i, value in enumerate(values)]


def train_text_encoder(training: Training, plan: Plan) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """The tokenizer, and its text encoder trained to tell what is named."""
    reader = Reader(build_tokenizer())
    fit(reader, lambda dice: reader.loss(plan.batch, dice), training, plan)
    return reader.tokenizer, reader.encoder
