"""A whole pipeline of diffusers as a denoiser, run by its own sampler or asked for one velocity at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ...denoising import Denoising
from ...errors import EngineRefused
from ...images import Array, Pixels
from .denoiser import Condition, Times
from .noise_schedule import interpolant_of, prediction_of, scheduler_in
from .one_step import OneStep
from .pipeline_family import PipelineFamily, as_bytes
from .pipeline_flux import Flux
from .pipeline_stable_diffusion import StableDiffusion, StableDiffusionXL
from .prediction import timesteps_of, velocity_of
from .prompt_embeddings import Embedded, PromptEmbeddings
from .saved import folder_with, loaded, settings
from .torch_model import TorchDenoiserSpec, require_installed, tried

MARKER = "model_index.json"
FAMILIES: dict[str, type[PipelineFamily]] = {
    "FluxPipeline": Flux,
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
}
KEPT_PROMPTS = 64


class DiffusersPipeline(TorchDenoiserSpec):
    """A whole pipeline of diffusers, with its text encoders, its VAE and its sampler.

    With the solver ``own`` its scheduler goes the whole way from a noise. With the others it is asked for the velocity
    at one time after the other, and its scheduler has no say but in what the network was trained on.

    The two make the same image where their times are the same. Of a FLUX that is ``euler`` at uniform times, with a
    scheduler that shifts none: ``shift`` 1 and no ``use_dynamic_shifting``. Of a Stable Diffusion it is ``ddim`` at
    uniform times, with a DDIMScheduler whose ``timestep_spacing`` is ``trailing``, with ``set_alpha_to_one`` and
    without ``clip_sample``, in a number of steps that divides its table. Otherwise each makes an image of the same
    network, by other steps.

    Args:
        model: the folder of the pipeline, as save_pretrained writes it, its weights as safetensors.
        scheduler: the folder of another scheduler to use in place of its own; empty for its own.
        embeddings: a file of prompt embeddings, to use in place of its text encoders, which are not loaded then.
        height: of images in pixels; None for what it was made for.
        width: likewise.
        batch: rows at once, those that guidance adds apart.
    """

    kind: Literal["diffusers_pipeline"] = "diffusers_pipeline"
    model: Annotated[str, Field(min_length=1)]
    scheduler: str = ""
    embeddings: str = ""
    height: Annotated[int, Field(ge=1)] | None = None
    width: Annotated[int, Field(ge=1)] | None = None
    batch: Annotated[int, Field(ge=1)] = 8

    def load(self) -> PipelineDenoiser:
        """The denoiser, tried on one row.

        Raises:
            EngineRefused: it cannot be loaded, or is of no family that is known here.
        """
        require_installed("torch", "diffusers", "safetensors", "transformers")
        return PipelineDenoiser(self)


class PipelineDenoiser:
    """The denoiser of a `DiffusersPipeline`."""

    def __init__(self, spec: DiffusersPipeline) -> None:
        self.spec = spec
        folder = folder_with(spec.model, MARKER)
        kind = _family(folder)
        self._file = PromptEmbeddings(spec.embeddings, kind.embeddings) if spec.embeddings else None
        self._dtype = spec.found_dtype(folder / kind.network)
        self._pipe = _pipeline(folder, self._dtype, kind.text_parts, reads=self._file is None)
        self._pipe.to(spec.found_device)
        self._scheduler = scheduler_in(spec.scheduler) if spec.scheduler else self._pipe.scheduler
        self._pipe.scheduler = self._scheduler
        self.family = kind(self._pipe, spec.height, spec.width)
        self._path, self._predicts = interpolant_of(self._scheduler), prediction_of(self._scheduler)
        self._embedded: Callable[[str], Embedded] = lru_cache(KEPT_PROMPTS)(self._encoder())
        one = np.zeros((1, *self.facts.shape), np.float32)
        told = self._arguments([Condition(self._file.prompts[0] if self._file else "")], 1.0)
        self.row_flops = tried(lambda: self._caught(one, 1.0, told), spec.model)
        self.decoding_flops = tried(lambda: self.decode(one), spec.model)

    @cached_property
    def identity(self) -> str:
        """The pipeline, its weights, and how it is asked."""
        return self.spec.named(self.spec.model, self.spec.scheduler, self.spec.embeddings)

    @cached_property
    def facts(self) -> Denoising:
        return Denoising(
            shape=self.family.shape,
            interpolant=self._path,
            has_own=self.family.is_reproducible,
            guidance_rows=self.family.guidance_rows,
            batch=self.spec.batch,
            size=self.family.size,
        )

    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        found = np.empty_like(x)
        for (time, guidance), rows in _grouped((t[row], each.guidance) for row, each in enumerate(conditions)):
            told = self._caught(x[rows], time, self._arguments([conditions[row] for row in rows], guidance))
            found[rows] = velocity_of(told.astype(np.float64), self._predicts, self._path, x[rows], time)
        return found

    def own(self, x: Array, steps: int, conditions: Sequence[Condition]) -> Array:
        found = np.empty_like(x)
        for guidance, rows in _grouped(each.guidance for each in conditions):
            asked = self._arguments([conditions[row] for row in rows], guidance)
            asked["generator"] = [_generator(x[row]) for row in rows]
            found[rows] = self._run(self._fresh(steps), steps, x[rows], asked).float().cpu().numpy()
        return found

    def decode(self, data: Array) -> Pixels:
        import torch

        parts = [data[start : start + self.spec.batch] for start in range(0, len(data), self.spec.batch)]
        with torch.no_grad():
            return np.concatenate([as_bytes(self.family.decoded(self._latents(part))) for part in parts])

    def _caught(self, x: Array, t: float, asked: dict[str, Any]) -> Array:
        """What the network tells of states at one time, guidance applied."""
        import torch

        timestep = timesteps_of(self._path, np.array([t]), self._scheduler.config.num_train_timesteps)
        proxy = OneStep(self._scheduler, torch.from_numpy(timestep))
        self._run(proxy, 1, x, asked)
        found: Array = proxy.told.float().cpu().numpy()
        return found

    def _run(self, scheduler: Any, steps: int, x: Array, asked: dict[str, Any]) -> Any:
        """The latents that the pipeline comes to from others."""
        self._pipe.scheduler = scheduler
        return self._pipe(
            latents=self._latents(x), num_inference_steps=steps, output_type="latent", return_dict=False, **asked
        )[0]

    def _latents(self, x: Array) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(x)).to(self._pipe.device, self._dtype)

    def _arguments(self, conditions: Sequence[Condition], guidance: float) -> dict[str, Any]:
        """How to ask for rows of one guidance.

        Raises:
            EngineRefused: such guidance is not to be had.
        """
        rows = self.family.guidance_rows if guidance != 1.0 else 1
        if rows == 2 and guidance < 1.0:
            raise EngineRefused(
                f"guidance of this pipeline must be 1 or more, got {guidance:g}; diffusers ignores less"
            )
        nothing = _stacked([self._embedded("")] * len(conditions)) if rows == 2 else None
        told = _stacked([self._embedded(condition.prompt) for condition in conditions])
        return self.family.arguments(told, nothing, guidance)

    def _encoder(self) -> Callable[[str], Embedded]:
        """What gives the embeddings of a prompt."""
        if self._file is not None:
            device, dtype, file = self._pipe.device, self._dtype, self._file
            return lambda prompt: {name: each.to(device, dtype) for name, each in file.of(prompt).items()}
        return self._encoded

    def _encoded(self, prompt: str) -> Embedded:
        import torch

        with torch.no_grad():
            return self.family.encoded(prompt)

    def _fresh(self, steps: int) -> Any:
        """The scheduler anew: one that has gone a way keeps where it was.

        Raises:
            EngineRefused: it evaluates more often than once a step.
        """
        scheduler = type(self._scheduler).from_config(self._scheduler.config)
        if self._path.kind == "tabulated":
            scheduler.set_timesteps(steps)
            if len(scheduler.timesteps) != steps:
                raise EngineRefused(
                    f"a scheduler must evaluate once a step, but {type(scheduler).__name__} does it "
                    f"{len(scheduler.timesteps)} times in {steps} steps; name the folder of another as scheduler"
                )
        return scheduler


def _family(folder: Path) -> type[PipelineFamily]:
    """The family of the pipeline in a folder.

    Raises:
        EngineRefused: it is none that is known here.
    """
    name = settings(folder, MARKER).get("_class_name", "")
    if name not in FAMILIES:
        raise EngineRefused(
            f"a pipeline must be one of {', '.join(FAMILIES)}, got {name!r}; use its network alone, kind "
            "'diffusers_module', if that needs no text"
        )
    return FAMILIES[name]


def _pipeline(folder: Path, dtype: Any, text_parts: Iterable[str], reads: bool) -> Any:
    """The pipeline in a folder, without what reads prompts if it need not.

    Raises:
        EngineRefused: it cannot read them, or cannot be loaded.
    """
    import diffusers

    index = settings(folder, MARKER)
    missing = [part for part in text_parts if not (index.get(part) or [None])[0]]
    if reads and missing:
        raise EngineRefused(f"{folder} must have a {missing[0]} to read prompts, got none; name a file of embeddings")
    load = getattr(diffusers, index["_class_name"]).from_pretrained
    found = loaded(load, folder, dtype, **dict.fromkeys([] if reads else text_parts))
    found.set_progress_bar_config(disable=True)
    return found


def _grouped(keys: Iterable[Any]) -> list[tuple[Any, list[int]]]:
    """The numbers of equal keys, in the order of the keys."""
    ordered = sorted(enumerate(keys), key=lambda pair: pair[1])
    return [(key, [number for number, _ in pairs]) for key, pairs in groupby(ordered, key=lambda pair: pair[1])]


def _generator(noise: Array) -> Any:
    """What a sampler that adds noise draws it from: the same for the same noise, whatever is beside it."""
    import torch

    seed = hashlib.blake2b(noise.tobytes(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(seed, "big"))


def _stacked(rows: Sequence[Embedded]) -> dict[str, Any]:
    """The embeddings of several prompts, a row each."""
    import torch

    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
