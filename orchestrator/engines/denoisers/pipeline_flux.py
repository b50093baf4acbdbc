"""Pipelines of the FLUX family: flow matching over packed latents."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .pipeline_family import PipelineFamily, divisible
from .prompt_embeddings import Embedded


class Flux(PipelineFamily):
    """FluxPipeline (Black Forest Labs 2024).

    Where the transformer is told guidance (FLUX.1-dev), guidance is that number and takes no second row; elsewhere
    (FLUX.1-schnell) it is classifier-free guidance by the empty prompt.
    """

    network = "transformer"
    text_parts = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    embeddings = ("prompt_embeds", "pooled_prompt_embeds")

    def __init__(self, pipe: Any, height: int | None, width: int | None) -> None:
        super().__init__(pipe, height, width)
        config, patch = pipe.transformer.config, 2 * pipe.vae_scale_factor
        made_for = pipe.default_sample_size * pipe.vae_scale_factor
        self.size = (width or made_for, height or made_for)
        divisible(self.size, patch)
        self.shape = (self.size[0] // patch * (self.size[1] // patch), config.in_channels)
        self.guidance_rows = 1 if config.guidance_embeds else 2
        self.is_reproducible = not pipe.scheduler.config.get("stochastic_sampling", False)

    def encoded(self, prompt: str) -> Embedded:
        found = self.pipe.encode_prompt(prompt=prompt, device=self.pipe.device)
        return dict(zip(self.embeddings, found[:2], strict=True))

    def arguments(self, told: Embedded, nothing: Embedded | None, guidance: float) -> dict[str, Any]:
        asked = super().arguments(told, nothing, guidance)
        return asked if nothing is None else asked | {"true_cfg_scale": guidance}

    def decoded(self, latents: Any) -> NDArray[Any]:
        pipe, (width, height) = self.pipe, self.size
        config = pipe.vae.config
        whole = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
        images = pipe.vae.decode(whole / config.scaling_factor + config.shift_factor, return_dict=False)[0]
        found: NDArray[Any] = pipe.image_processor.postprocess(images, output_type="np")
        return found
