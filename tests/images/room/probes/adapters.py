"""What LoRAs, ControlNets and IP-Adapters do to a picture, and what they leave behind: facts about tiny SD 1.5."""

from pathlib import Path

import torch
from diffusers import ControlNetModel, DiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from contract.errors import ApiError
from images.diffusers.server.foreign import Network
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Adapter, Control, Task, Work
from tests.images.room.probes import hand
from tests.images.room.probes.hand import Pixels


def facts(model: Path, scratch: Path) -> dict[str, object]:
    _shelves(model, scratch)
    studio = hand.ready(model, "--models-dir", str(scratch))
    plain = hand.draw(studio, hand.task())[0]
    return {
        "loras": _loras(studio, plain),
        "controlnet": _controlnet(studio, plain),
        "ip_adapter": _ip_adapter(studio, plain),
        "refused": [_refusal(studio, task) for task in _refused()],
    }


def _loras(studio: Studio, plain: Pixels) -> dict[str, object]:
    def with_loras(*loras: Adapter) -> Pixels:
        return hand.draw(studio, hand.task(loras=loras))[0]

    one, two = with_loras(Adapter("one")), with_loras(Adapter("two"))
    both = with_loras(Adapter("one"), Adapter("two", 0.5))
    after = hand.draw(studio, hand.task())[0]
    stopped = hand.listen(studio, hand.task(loras=(Adapter("one"),)), stop_at=2)
    return {
        "changes": hand.apart(plain, one),
        "scaled to nothing": hand.apart(plain, with_loras(Adapter("one", 0.0))),
        "two differ": hand.apart(one, two),
        "both differ from one": hand.apart(one, both),
        "again": hand.apart(one, with_loras(Adapter("one"))),
        "plain after": hand.apart(plain, after),
        "stopped": len(stopped.made()),
        "plain after a stop": hand.apart(plain, hand.draw(studio, hand.task())[0]),
        "many": [hand.apart(plain, with_loras(Adapter(f"more{number}"))) > 0 for number in range(5)],
        "one after many": hand.apart(one, with_loras(Adapter("one"))),
        "misfit": _refusal(studio, hand.task(loras=(Adapter("misfit"),))),
        "plain after a misfit": hand.apart(plain, hand.draw(studio, hand.task())[0]),
        "one after a misfit": hand.apart(one, with_loras(Adapter("one"))),
    }


def _controlnet(studio: Studio, plain: Pixels) -> dict[str, object]:
    def led(colour: str, work: Work = Work.GENERATE, **changes: object) -> Pixels:
        control = Control("edges", hand.picture(colour), 1.0)
        return hand.draw(studio, hand.task(work=work, controlnet=control, **changes))[0]  # type: ignore[arg-type]  # checked by `replace`

    shown = {"images": (hand.picture(),), "strength": 0.8}
    control = Control("edges", hand.picture("red"), 1.0)
    batch = hand.draw(studio, *(hand.task(seed, controlnet=control) for seed in (1, 2)))
    return {
        "changes": hand.apart(plain, led("red")),
        "follows its picture": hand.apart(led("red"), led("white")),
        "edit": led("red", Work.EDIT, **shown).shape,
        "inpaint": led("red", Work.INPAINT, mask=hand.mask(), **shown).shape,
        "batch": hand.apart(batch[0], led("red")),
        "plain after": hand.apart(plain, hand.draw(studio, hand.task())[0]),
        "misfit": _refusal(studio, hand.task(controlnet=Control("wide", hand.picture()))),
    }


def _ip_adapter(studio: Studio, plain: Pixels) -> dict[str, object]:
    def shown(colour: str, scale: float = 1.0, seeds: tuple[int, ...] = (1,)) -> list[Pixels]:
        control = Control("look", hand.picture(colour), scale)
        return hand.draw(studio, *(hand.task(seed, ip_adapter=control) for seed in seeds))

    return {
        "changes": hand.apart(plain, shown("red")[0]),
        "follows its picture": hand.apart(shown("red")[0], shown("white")[0]),
        "batch": hand.apart(shown("red")[0], shown("red", seeds=(1, 2))[0]),
        "plain after": hand.apart(plain, hand.draw(studio, hand.task())[0]),
    }


def _refused() -> list[Task]:
    return [
        hand.task(loras=(Adapter("none"),)),
        hand.task(loras=(Adapter("../loras/one"),)),
        hand.task(loras=(Adapter("one"), Adapter("one"))),
        hand.task(controlnet=Control("none", hand.picture())),
        hand.task(ip_adapter=Control("none", hand.picture())),
    ]


def _refusal(studio: Studio, task: Task) -> list[object]:
    try:
        studio.check(task)
        hand.listen(studio, task)
    except ApiError as error:
        return [error.status, error.param, error.message]
    return []


def _shelves(model: Path, scratch: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(str(model), safety_checker=None)
    (scratch / "loras").mkdir(parents=True)
    save_file({"unet.nothing.lora_A.weight": torch.zeros(1)}, scratch / "loras" / "misfit.safetensors")
    _network(pipeline.unet, 8, scratch / "controlnets" / "edges")
    _network(pipeline.unet, 16, scratch / "controlnets" / "wide")
    _look(pipeline.unet, scratch / "ip_adapters" / "look")
    for seed, name in enumerate(("one", "two", *(f"more{number}" for number in range(5)))):
        _lora(pipeline.unet, scratch / "loras" / f"{name}.safetensors", seed)


def _lora(unet: Network, file: Path, seed: int) -> None:
    torch.manual_seed(seed)
    config = LoraConfig(r=2, lora_alpha=8, target_modules=["to_q", "to_v"], init_lora_weights=False)
    unet.add_adapter(config, adapter_name="made")
    state = {f"unet.{key}": tensor for key, tensor in get_peft_model_state_dict(unet, adapter_name="made").items()}
    save_file({key: torch.randn_like(tensor) for key, tensor in state.items()}, file)
    unet.delete_adapters("made")


def _network(unet: Network, width: int, folder: Path) -> None:
    torch.manual_seed(0)
    if width == unet.config.cross_attention_dim:
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(2, 4))
    else:
        network = ControlNetModel(
            block_out_channels=(4, 8),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            cross_attention_dim=width,
            norm_num_groups=2,
            conditioning_embedding_out_channels=(2, 4),
        )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter.data, std=0.3)  # the last layers of a new one are zero: it would do nothing
    network.save_pretrained(str(folder))


def _look(unet: Network, folder: Path) -> None:
    """An IP-Adapter of four tokens, with random weights for every cross-attention of the UNet."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    width, project = unet.config.cross_attention_dim, 8
    state = {
        "image_proj.proj.weight": torch.randn(4 * width, project),
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    crossed = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for place, name in enumerate(crossed):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        for part in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * place + 1}.{part}.weight"] = torch.randn(attention.inner_dim, width)
    save_file(state, folder / "look.safetensors")
    config = CLIPVisionConfig(
        hidden_size=8,
        projection_dim=project,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=8,
    )
    CLIPVisionModelWithProjection(config).eval().save_pretrained(str(folder / "image_encoder"))
