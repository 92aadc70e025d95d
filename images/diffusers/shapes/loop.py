"""One training loop for every part: AdamW, warm-up and cosine, averaged weights, checkpoints to resume from."""

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

Loss = Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class Plan:
    """What decides the result: the number of steps, pictures a step, peak learning rate, averaging and the seed."""

    steps: int
    batch: int
    rate: float
    seed: int = 0
    warm_up: int = 200
    decay: float = 0.0
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Training:
    """Where a run keeps its checkpoint, and whether it goes on from one."""

    checkpoint: Path
    resume: bool = False
    save_every: int = 500


def learning_rate(step: int, plan: Plan) -> float:
    """Linear warm-up, then a half cosine down to a hundredth of the peak."""
    if step < plan.warm_up:
        return plan.rate * (step + 1) / plan.warm_up
    done = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return plan.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


def dice_of(seed: int, step: int) -> torch.Generator:
    """A step's own randomness, so that a resumed run draws what an unbroken one would have drawn."""
    return torch.Generator().manual_seed((seed << 32) + step)


def average(into: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights toward the model's."""
    with torch.no_grad():
        for kept, new in zip(into.parameters(), model.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)


class Run:
    """A model under training with its optimiser, its averaged copy and its step count."""

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.model, self.plan, self.step = model, plan, 0
        self.averaged = copy.deepcopy(model)
        trainable = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(
            trainable, lr=plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, foreach=True
        )

    def advance(self, loss: Loss) -> dict[str, float]:
        """One optimiser step; returns the loss and its parts."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.plan)
        value, parts = loss(dice_of(self.plan.seed, self.step))
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        average(self.averaged, self.model, min(self.plan.decay, self.step / (self.step + 10)))
        return {"loss": value.item()} | parts

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        state = {"model": self.model.state_dict(), "averaged": self.averaged.state_dict()}
        torch.save(state | {"optimiser": self.optimiser.state_dict(), "step": self.step}, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def report(step: int, sums: dict[str, float], count: int, started: float) -> None:
    """One line of JSON: the means since the last line, and the seconds since the start."""
    means = {key: round(value / count, 5) for key, value in sums.items()}
    print(json.dumps({"step": step, "seconds": round(time.monotonic() - started, 1)} | means), flush=True)


def fit(model: nn.Module, loss: Loss, training: Training, plan: Plan) -> None:
    """Train `model` to the end of the plan; it then holds the averaged weights."""
    run = Run(model, plan)
    if training.resume and training.checkpoint.exists():
        run.load(training.checkpoint)
    started, sums, count = time.monotonic(), dict[str, float](), 0
    while run.step < plan.steps:
        for key, value in run.advance(loss).items():
            sums[key] = sums.get(key, 0.0) + value
        count += 1
        if run.step % 100 == 0:
            report(run.step, sums, count, started)
            sums, count = {}, 0
        if run.step % training.save_every == 0 or run.step == plan.steps:
            run.save(training.checkpoint)
    model.load_state_dict(run.averaged.state_dict())
