"""Where tokens come from: one kind of engine a file."""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ..engine import EngineSpec
from ..registry import Registry
from .diffusion import DiffusionSpec
from .image_reward import ImageRewardSpec
from .openai import OpenAISpec
from .simulated import SimulatedSpec
from .torch import TorchSpec
from .vllm import VLLMSpec

ENGINES: Registry[EngineSpec] = Registry(
    "engine",
    "ponder.engines",
    {
        "diffusion": DiffusionSpec,
        "image_reward": ImageRewardSpec,
        "openai": OpenAISpec,
        "pipeline": "ponder.orchestrator.pipeline_engine:PipelineEngineSpec",
        "simulated": SimulatedSpec,
        "torch": TorchSpec,
        "vllm": VLLMSpec,
    },
)

AnyEngine = Annotated[SerializeAsAny[EngineSpec], BeforeValidator(ENGINES.build)]
"""An engine in another model: a table with a ``kind``, or a spec; saved with all its knobs."""

__all__ = [
    "ENGINES",
    "AnyEngine",
    "DiffusionSpec",
    "ImageRewardSpec",
    "OpenAISpec",
    "SimulatedSpec",
    "TorchSpec",
    "VLLMSpec",
]
