"""A bare network of diffusers as a denoiser, without a pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ...denoising import Denoising
from ...errors import EngineRefused
from ...images import CHANNELS, Array, Pixels
from ...interpolants import LINEAR, AnyInterpolant, Linear
from .classes import Classes
from .denoiser import Condition, Times, shown
from .noise_schedule import interpolant_of, prediction_of, scheduler_in
from .prediction import Prediction, timesteps_of, velocity_of
from .saved import class_in, folder_with, loaded
from .torch_model import TorchDenoiserSpec, require_installed, tried

MARKER = "config.json"


class DiffusersModule(TorchDenoiserSpec):
    """A network of diffusers that is told a state, a timestep and perhaps a class: DiT, UNet2D and their like.

    A prompt asks for the class whose number it holds, and the empty prompt for none in particular. Guidance takes a
    second row of the null label, in the same batch.

    With a solver ``ddim`` and uniform times it does what a DDIMScheduler does whose ``timestep_spacing`` is
    ``trailing``, with ``set_alpha_to_one`` and without ``clip_sample``, where the steps divide the table; else the
    scheduler rounds its times to whole entries, and states here lie between them. ``euler`` with a linear interpolant
    is a FlowMatchEulerDiscreteScheduler that is given ``sigmas = linspace(1, 1 / steps, steps)`` and shifts none.

    Args:
        model: the folder of the network, as save_pretrained writes it, its weights as safetensors.
        predicts: what it predicts; None for what the scheduler says, and the velocity without one.
        interpolant: that it was trained on; None for the scheduler's, and the linear one without a scheduler.
        scheduler: the folder of a scheduler that it was trained with; empty for none.
        timestep_scale: the timestep at time 1; a network with a scheduler's table is told the index in it instead.
        null_label: the label for no class in particular; None for that of a DiT, which it has by design, or for none.
        vae: the folder of an AutoencoderKL that makes images of the data; empty where the data are pixels.
    """

    kind: Literal["diffusers_module"] = "diffusers_module"
    model: Annotated[str, Field(min_length=1)]
    predicts: Prediction | None = None
    interpolant: AnyInterpolant | None = None
    scheduler: str = ""
    timestep_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1000.0
    null_label: Annotated[int, Field(ge=0)] | None = None
    vae: str = ""

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if self.scheduler and self.interpolant is not None:
            raise ValueError("a scheduler tells the interpolant, so that one of the two must be left out")
        return self

    def load(self) -> ModuleDenoiser:
        """The denoiser, tried on one row.

        Raises:
            EngineRefused: it cannot be loaded, or is not of this kind.
        """
        require_installed("torch", "diffusers", "safetensors")
        return ModuleDenoiser(self)


class ModuleDenoiser:
    """The denoiser of a `DiffusersModule`."""

    def __init__(self, spec: DiffusersModule) -> None:
        self.spec = spec
        self._folder = folder_with(spec.model, MARKER)
        self._device, self._dtype = spec.found_device, spec.found_dtype(self._folder)
        self._network = self._loaded(_network_class(self._folder), self._folder)
        self._vae: Any = self._loaded_vae() if spec.vae else None
        scheduler = scheduler_in(spec.scheduler) if spec.scheduler else None
        self._path = spec.interpolant or (LINEAR if scheduler is None else interpolant_of(scheduler))
        self._predicts = spec.predicts or ("velocity" if scheduler is None else prediction_of(scheduler))
        self._check_prediction()
        self.classes = self._found_classes()
        one = np.zeros((1, *self.facts.shape), np.float32)
        self.row_flops = tried(lambda: self._told(one, np.ones(1), [self.classes.null or 0]), spec.model)
        self.decoding_flops = tried(lambda: self.decode(one), spec.vae or spec.model)

    @cached_property
    def identity(self) -> str:
        """The network, its weights, and how it is asked."""
        return self.spec.named(self.spec.model, self.spec.scheduler, self.spec.vae)

    @cached_property
    def facts(self) -> Denoising:
        config = self._network.config
        size = config.get("sample_size")
        if not size:
            raise EngineRefused(f"{self._folder / MARKER} must tell the sample_size of the images; write it there")
        height, width = (size, size) if isinstance(size, int) else size
        channels = config["in_channels"]
        if self._vae is None and channels not in CHANNELS:
            raise EngineRefused(
                f"data must have 1 or 3 channels to be shown as they are, got {channels}; name the folder of the vae"
            )
        scale = 1 if self._vae is None else 2 ** (len(self._vae.config.block_out_channels) - 1)
        return Denoising(
            shape=(channels, height, width),
            interpolant=self._path,
            batch=self.spec.batch,
            size=(scale * width, scale * height),
        )

    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        labels = [self.classes.label(condition.prompt) for condition in conditions]
        guidance = np.array([condition.guidance for condition in conditions])
        twice = np.flatnonzero(guidance != 1.0)
        nothing = [self.classes.nothing() if self.classes.labels else self._refused_guidance() for _ in twice]
        rows = np.concatenate([np.arange(len(x)), twice])
        told = self._told(x[rows], t[rows], labels + nothing).astype(np.float64)
        first, second = told[: len(x)], told[len(x) :]
        first[twice] = second + _along(guidance[twice], x) * (first[twice] - second)
        return velocity_of(first, self._predicts, self._path, x, _along(t, x)).astype(np.float32)

    def own(self, x: Array, steps: int, conditions: Sequence[Condition]) -> Array:
        raise EngineRefused("a bare network has no sampler of its own; use solver 'euler' or 'ddim'")

    def decode(self, data: Array) -> Pixels:
        if self._vae is not None:
            size = self.spec.batch
            data = np.concatenate([self._decoded(data[at : at + size]) for at in range(0, len(data), size)])
        return np.ascontiguousarray(shown(data).transpose(0, 2, 3, 1))

    def _decoded(self, latents: Array) -> Array:
        """What the VAE makes of latents, from -1 to 1."""
        import torch

        vae, shift = self._vae, self._vae.config.get("shift_factor") or 0.0
        with torch.no_grad():
            scaled = self._tensor(latents).to(vae.dtype) / vae.config.scaling_factor + shift
            found: Array = vae.decode(scaled, return_dict=False)[0].float().cpu().numpy()
        return found

    def _told(self, x: Array, t: Times, labels: Sequence[int | None]) -> Array:
        """What the network tells of states."""
        import torch

        timesteps = self._tensor(timesteps_of(self._path, t, self.spec.timestep_scale))
        told_classes = {"class_labels": self._tensor(np.array(labels, np.int64))} if self.classes.labels else {}
        with torch.no_grad():
            told = self._network(self._tensor(x).to(self._dtype), timestep=timesteps, **told_classes, return_dict=False)
        found: Array = told[0][:, : x.shape[1]].float().cpu().numpy()  # some tell a variance behind it
        return found

    def _tensor(self, values: Any) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def _loaded(self, kind: Any, folder: Path) -> Any:
        """A network in evaluation mode: in training mode some drop labels."""
        found = loaded(kind.from_pretrained, folder, self._dtype)
        return found.to(self._device).eval()

    def _loaded_vae(self) -> Any:
        """The VAE, in float32 where float16 would overflow."""
        import torch
        from diffusers import AutoencoderKL

        found = self._loaded(AutoencoderKL, folder_with(self.spec.vae, MARKER))
        overflows = self._dtype == torch.float16 and found.config.force_upcast
        return found.to(torch.float32) if overflows else found

    def _found_classes(self) -> Classes:
        """The classes that the network's settings tell of."""
        config, null = self._network.config, self.spec.null_label
        by_design = config.get("num_embeds_ada_norm")
        labels = by_design + 1 if by_design else config.get("num_class_embeds") or 0
        null = by_design if null is None else null
        if null is not None and null >= labels:
            raise EngineRefused(f"null_label must be below the network's {labels} labels, got {null}; leave it out")
        return Classes(labels - (null == labels - 1), null)

    def _check_prediction(self) -> None:
        """Refuse a prediction from which the velocity does not follow at every time.

        Raises:
            EngineRefused: it does not.
        """
        is_linear = isinstance(self._path, Linear)
        if is_linear and self._predicts in ("epsilon", "v_prediction"):
            raise EngineRefused(
                f"a network of a linear interpolant must predict velocity or sample, got {self._predicts!r}: at time 1 "
                "there is no data in the mixture for it to tell of; name its scheduler or another interpolant"
            )

    def _refused_guidance(self) -> int | None:
        raise EngineRefused("guidance must be 1 for a denoiser without classes; leave it out")


def _network_class(folder: Path) -> Any:
    """The class of diffusers that a folder's settings name.

    Raises:
        EngineRefused: it is none, or must be told more than a state, a timestep and a class.
    """
    found = class_in(folder, MARKER, "ModelMixin")
    rest = list(inspect.signature(found.forward).parameters.values())[2:]
    needed = {each.name for each in rest if each.default is inspect.Parameter.empty} - {"timestep"}
    if needed or not any(each.name == "timestep" for each in rest):
        raise EngineRefused(
            f"a bare network must be told no more than a state, a timestep and a class, but {found.__name__} is told "
            f"{', '.join(sorted(needed)) or 'no timestep'}; use the whole pipeline, kind 'diffusers_pipeline'"
        )
    return found


def _along(numbers: Any, x: Array) -> Any:
    """One number a row, to broadcast against the rows."""
    return numbers.reshape(-1, *[1] * (x.ndim - 1))
