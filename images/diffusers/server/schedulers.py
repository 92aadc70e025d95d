"""Schedulers by the names that people know: diffusers', A1111's and ComfyUI's.

Only such are here whose noise is drawn from the request's generator, or that draw none: seeds stay true.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import diffusers

from contract.errors import ApiError, Origin
from images.diffusers.server.foreign import Scheduler


@dataclass(frozen=True)
class Sampler:
    """A scheduler class of diffusers, by name, and what of the model's own configuration it overrides."""

    kind: str
    overrides: Mapping[str, object] = field(default_factory=dict)


_KARRAS = {"use_karras_sigmas": True}
_MULTISTEP = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_SDE = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}

# For models that were trained to predict noise or velocity over a schedule of betas.
DIFFUSION: Mapping[str, Sampler] = MappingProxyType(
    {
        "ddim": Sampler("DDIMScheduler"),
        "ddpm": Sampler("DDPMScheduler"),
        "deis": Sampler("DEISMultistepScheduler"),
        "dpm2": Sampler("KDPM2DiscreteScheduler"),
        "dpm2_a": Sampler("KDPM2AncestralDiscreteScheduler"),
        "dpmpp_2m": Sampler("DPMSolverMultistepScheduler", _MULTISTEP),
        "dpmpp_2m_karras": Sampler("DPMSolverMultistepScheduler", _MULTISTEP | _KARRAS),
        "dpmpp_2m_sde": Sampler("DPMSolverMultistepScheduler", _SDE),
        "dpmpp_2m_sde_karras": Sampler("DPMSolverMultistepScheduler", _SDE | _KARRAS),
        "euler": Sampler("EulerDiscreteScheduler"),
        "euler_karras": Sampler("EulerDiscreteScheduler", _KARRAS),
        "euler_a": Sampler("EulerAncestralDiscreteScheduler"),
        "heun": Sampler("HeunDiscreteScheduler"),
        "lcm": Sampler("LCMScheduler"),
        "pndm": Sampler("PNDMScheduler", {"skip_prk_steps": True}),
        "tcd": Sampler("TCDScheduler"),
        "unipc": Sampler("UniPCMultistepScheduler"),
        "unipc_karras": Sampler("UniPCMultistepScheduler", _KARRAS),
    }
)
# For models that were trained by flow matching.
FLOW: Mapping[str, Sampler] = MappingProxyType(
    {
        "flow_euler": Sampler("FlowMatchEulerDiscreteScheduler"),
        "flow_euler_karras": Sampler("FlowMatchEulerDiscreteScheduler", _KARRAS),
    }
)
# For those of them whose own it is: the pipelines of others hand over sigmas that it does not take.
FLOW_MULTISTEP: Mapping[str, Sampler] = MappingProxyType(
    {**FLOW, "flow_unipc": Sampler("UniPCMultistepScheduler", {"use_flow_sigmas": True})}
)
COGVIDEOX: Mapping[str, Sampler] = MappingProxyType(
    {"ddim": Sampler("CogVideoXDDIMScheduler"), "dpm": Sampler("CogVideoXDPMScheduler")}
)
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "euler_ancestral": "euler_a",
        "dpm_2": "dpm2",
        "dpm_2_ancestral": "dpm2_a",
        "dpm++_2m": "dpmpp_2m",
        "dpm++_2m_karras": "dpmpp_2m_karras",
        "dpm++_2m_sde": "dpmpp_2m_sde",
        "dpm++_2m_sde_karras": "dpmpp_2m_sde_karras",
        "plms": "pndm",
        "uni_pc": "unipc",
        "flow_match_euler": "flow_euler",
    }
)
# What the general names mean to a model of flow matching.
FLOW_ALIASES: Mapping[str, str] = MappingProxyType(
    {"euler": "flow_euler", "euler_karras": "flow_euler_karras", "unipc": "flow_unipc"}
)


def samplers_for(scheduler: Scheduler) -> Mapping[str, Sampler]:
    """What a model can use whose own scheduler this is."""
    config: Mapping[str, object] = scheduler.config
    name = type(scheduler).__name__
    if name.startswith("CogVideoX"):
        return COGVIDEOX
    if name.startswith("FlowMatch"):
        return FLOW
    if config.get("use_flow_sigmas"):
        return FLOW_MULTISTEP
    return DIFFUSION


def names_for(scheduler: Scheduler) -> tuple[str, ...]:
    return tuple(samplers_for(scheduler))


def known(scheduler: Scheduler, name: str) -> Sampler:
    """The sampler of that name, or of that class of diffusers. Raises ApiError 400 with what can be used."""
    samplers = samplers_for(scheduler)
    asked = name.strip().lower().replace(" ", "_").replace("-", "_")
    asked = ALIASES.get(asked, asked)
    if samplers in (FLOW, FLOW_MULTISTEP):
        asked = FLOW_ALIASES.get(asked, asked)
    by_class = (sampler for sampler in samplers.values() if sampler.kind == name)
    found = samplers.get(asked) or next(by_class, None)
    if found is None:
        message = f"This model has no scheduler {name!r}. It can use: {', '.join(samplers)}."
        raise ApiError(400, "unknown_scheduler", message, param="scheduler", origin=Origin.ENGINE)
    return found


def build(scheduler: Scheduler, name: str) -> Scheduler:
    """A new scheduler of that name on the configuration of the model's own."""
    sampler = known(scheduler, name)
    return getattr(diffusers, sampler.kind).from_config({**scheduler.config, **_shift(scheduler), **sampler.overrides})


def _shift(scheduler: Scheduler) -> Mapping[str, object]:
    """How far a model of flow matching moves its steps towards the noise; the kinds of schedulers name it apart."""
    return {"shift": scheduler.config["flow_shift"]} if samplers_for(scheduler) is FLOW_MULTISTEP else {}
