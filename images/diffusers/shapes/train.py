"""Train the models, one stage a command: `python -m images.diffusers.shapes.train autoencoder`.

The stages in order: autoencoder, decoder, text, painter (the model `shapes`), vision, motion (`shapes-motion`).
A stage reads what the stages before it left in the output folder. `export` and `export-motion` write the models.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from images.diffusers.shapes.autoencoder import train_autoencoder, train_decoder
from images.diffusers.shapes.export import moving_pipeline, painting_pipeline, save_whole
from images.diffusers.shapes.latents import Bank, fill_bank
from images.diffusers.shapes.loop import Plan, Training, dice_of
from images.diffusers.shapes.motion import Mover, fill_motion_bank, noise_response, train_mover
from images.diffusers.shapes.text import train_text_encoder
from images.diffusers.shapes.unet import Painter, train_painter
from images.diffusers.shapes.vision import train_vision_encoder

PLANS = {
    "autoencoder": Plan(steps=4000, batch=8, rate=1.2e-3, decay=0.995),
    "decoder": Plan(steps=1000, batch=8, rate=6e-4, decay=0.995, seed=1),
    "text": Plan(steps=600, batch=192, rate=2e-3, decay=0.98, warm_up=50),
    "vision": Plan(steps=500, batch=64, rate=2e-3, decay=0.98, warm_up=50, seed=2),
    "painter": Plan(steps=5000, batch=64, rate=1.5e-3, decay=0.99),
    "motion": Plan(steps=2000, batch=8, rate=1.2e-3, decay=0.998, seed=3),
}
SCENES = 16_384
MOVING_SCENES = 2_688


class Workshop:
    """The output folder's parts, by stage."""

    def __init__(self, folder: Path, resume: bool) -> None:
        self.folder, self.resume = folder, resume

    def training(self, stage: str) -> Training:
        return Training(self.folder / f"{stage}.pt", self.resume)

    def autoencoder(self) -> AutoencoderKL:
        """With the trained decoder if there is one."""
        refined = self.folder / "decoder"
        return AutoencoderKL.from_pretrained(refined if refined.exists() else self.folder / "autoencoder").eval()

    def painter(self) -> Painter:
        text = self.folder / "text"
        return Painter(CLIPTokenizer.from_pretrained(text), CLIPTextModel.from_pretrained(text))

    def vision(self) -> CLIPVisionModelWithProjection:
        return CLIPVisionModelWithProjection.from_pretrained(self.folder / "vision").eval()

    def run_autoencoder(self, plan: Plan) -> None:
        train_autoencoder(self.training("autoencoder"), plan).save_pretrained(self.folder / "autoencoder")

    def run_decoder(self, plan: Plan) -> None:
        model = AutoencoderKL.from_pretrained(self.folder / "autoencoder").to(memory_format=torch.channels_last)
        train_decoder(model, self.training("decoder"), plan).save_pretrained(self.folder / "decoder")

    def run_text(self, plan: Plan) -> None:
        for part in train_text_encoder(self.training("text"), plan):
            part.save_pretrained(self.folder / "text")

    def bank(self, plan: Plan) -> Bank:
        """The painter's scenes; a resumed run takes those that the run before it encoded."""
        path = self.folder / "bank.pt"
        if not (self.resume and path.exists()):
            fill_bank(self.autoencoder(), SCENES, dice_of(plan.seed, 2**31)).save(path)
        return Bank.load(path)

    def run_painter(self, plan: Plan) -> None:
        train_painter(self.painter(), self.bank(plan), self.training("painter"), plan)

    def run_vision(self, plan: Plan) -> None:
        train_vision_encoder(self.training("vision"), plan).save_pretrained(self.folder / "vision")

    def run_motion(self, plan: Plan) -> None:
        autoencoder, dice = self.autoencoder(), dice_of(plan.seed, 2**31)
        bank = fill_motion_bank(autoencoder, self.vision(), MOVING_SCENES, dice)
        train_mover(Mover(noise_response(autoencoder, dice)), bank, self.training("motion"), plan)

    def averaged(self, stage: str) -> dict[str, torch.Tensor]:
        """The averaged weights of a stage's last checkpoint."""
        weights: dict[str, torch.Tensor] = torch.load(self.folder / f"{stage}.pt", weights_only=True)["averaged"]
        return weights

    def export_painter(self, into: Path) -> None:
        """The model `shapes`, from the last checkpoint."""
        painter = self.painter()
        painter.load_state_dict(self.averaged("painter"))
        save_whole(painting_pipeline(painter.eval(), self.autoencoder()), into / "shapes")

    def export_mover(self, into: Path) -> None:
        """The model `shapes-motion`, from the last checkpoint."""
        mover = Mover(response=0.0)
        mover.load_state_dict(self.averaged("motion"))
        save_whole(moving_pipeline(mover.eval(), self.vision(), self.autoencoder()), into / "shapes-motion")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="images.diffusers.shapes.train", description=__doc__)
    parser.add_argument("stage", choices=[*PLANS, "export", "export-motion"])
    parser.add_argument("--out", type=Path, default=Path("run/shapes"), help="where checkpoints and parts are kept")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where `export` writes the models")
    parser.add_argument("--steps", type=int, help="instead of the plan's own number of steps")
    parser.add_argument("--rate", type=float, help="instead of the plan's own peak learning rate")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", action="store_true", help="go on from the stage's last checkpoint")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    workshop = Workshop(options.out, options.resume)
    exports = {"export": workshop.export_painter, "export-motion": workshop.export_mover}
    if options.stage in exports:
        exports[options.stage](options.models)
        return
    plan = PLANS[options.stage]
    torch.manual_seed(plan.seed)
    stages = {"autoencoder": workshop.run_autoencoder, "decoder": workshop.run_decoder}
    stages |= {"text": workshop.run_text, "painter": workshop.run_painter}
    stages |= {"vision": workshop.run_vision, "motion": workshop.run_motion}
    stages[options.stage](replace(plan, steps=options.steps or plan.steps, rate=options.rate or plan.rate))


if __name__ == "__main__":
    main()
