"""The embedded flow model of handwritten digits as a denoiser."""

from __future__ import annotations

from typing import Literal

from ...models import digits_flow
from .diffusers_module import DiffusersModule, ModuleDenoiser
from .torch_model import TorchDenoiserSpec


class Digits(TorchDenoiserSpec):
    """The embedded model `digits-flow`: handwritten digits, 8 by 8 grey pixels, of the digit that the prompt holds.

    The empty prompt asks for any digit, by the label that the model was trained on without one.
    """

    kind: Literal["digits"] = "digits"

    def load(self) -> ModuleDenoiser:
        """The denoiser."""
        knobs = self.model_dump(include={"dtype", "device", "batch"})
        return DiffusersModule(model=str(digits_flow()), **knobs).load()
