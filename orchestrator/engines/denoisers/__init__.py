"""Denoisers: one kind of model a file."""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ...registry import Registry
from .denoiser import Condition, Denoiser, DenoiserSpec
from .diffusers_module import DiffusersModule
from .diffusers_pipeline import DiffusersPipeline
from .digits import Digits
from .mixture import Mixture

DENOISERS: Registry[DenoiserSpec] = Registry(
    "denoiser",
    "ponder.denoisers",
    {
        "mixture": Mixture,
        "digits": Digits,
        "diffusers_module": DiffusersModule,
        "diffusers_pipeline": DiffusersPipeline,
    },
)

AnyDenoiser = Annotated[SerializeAsAny[DenoiserSpec], BeforeValidator(DENOISERS.build)]
"""A denoiser in another model: a table with a ``kind``, or a spec; saved with all its knobs."""

__all__ = [
    "DENOISERS",
    "AnyDenoiser",
    "Condition",
    "Denoiser",
    "DenoiserSpec",
    "DiffusersModule",
    "DiffusersPipeline",
    "Digits",
    "Mixture",
]
