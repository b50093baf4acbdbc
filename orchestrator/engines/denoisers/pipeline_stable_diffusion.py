"""Pipelines of the Stable Diffusion family: a UNet over the latents of a VAE, told one embedding of the prompt."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from .pipeline_family import PipelineFamily, divisible
from .prompt_embeddings import Embedded


class StableDiffusion(PipelineFamily):
    """StableDiffusionPipeline (Rombach et al. 2022, arXiv 2112.10752), versions 1 and 2.

    Guidance is classifier-free by the empty prompt, but for a UNet that is told its scale (latent consistency models).
    Images go through the pipeline's safety checker where it has one.
    """

    network = "unet"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    embeddings: ClassVar[tuple[str, ...]] = ("prompt_embeds",)

    def __init__(self, pipe: Any, height: int | None, width: int | None) -> None:
        super().__init__(pipe, height, width)
        config, scale = pipe.unet.config, pipe.vae_scale_factor
        sample = config.sample_size
        made_for = (sample, sample) if isinstance(sample, int) else (sample[1], sample[0])
        self.size = (width or made_for[0] * scale, height or made_for[1] * scale)
        divisible(self.size, max(8, scale))
        self.shape = (config.in_channels, self.size[1] // scale, self.size[0] // scale)
        self.guidance_rows = 2 if config.time_cond_proj_dim is None else 1

    def encoded(self, prompt: str) -> Embedded:
        found = self.pipe.encode_prompt(prompt, self.pipe.device, 1, False)
        return dict(zip(self.embeddings, found, strict=False))

    def decoded(self, latents: Any) -> NDArray[Any]:
        pipe = self.pipe
        images, unsafe = pipe.run_safety_checker(self._images(latents), latents.device, latents.dtype)
        shown = [True] * len(images) if unsafe is None else [not each for each in unsafe]
        found: NDArray[Any] = pipe.image_processor.postprocess(images, output_type="np", do_denormalize=shown)
        return found

    def _images(self, latents: Any) -> Any:
        vae = self.pipe.vae
        return vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]


class StableDiffusionXL(StableDiffusion):
    """StableDiffusionXLPipeline (Podell et al. 2023, arXiv 2307.01952), its base model.

    For guidance it is told zeros in place of the empty prompt, where it was trained so. Its VAE runs in float32 where
    float16 would overflow.
    """

    text_parts = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    embeddings = ("prompt_embeds", "pooled_prompt_embeds")

    def __init__(self, pipe: Any, height: int | None, width: int | None) -> None:
        import torch

        super().__init__(pipe, height, width)
        if pipe.vae.dtype == torch.float16 and pipe.vae.config.force_upcast:
            pipe.vae.to(torch.float32)

    def encoded(self, prompt: str) -> Embedded:
        device = self.pipe.device
        embeds, _, pooled, _ = self.pipe.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
        return dict(zip(self.embeddings, (embeds, pooled), strict=True))

    def arguments(self, told: Embedded, nothing: Embedded | None, guidance: float) -> dict[str, Any]:
        if nothing is not None and self.pipe.config.force_zeros_for_empty_prompt:
            nothing = {name: each.new_zeros(each.shape) for name, each in nothing.items()}
        return super().arguments(told, nothing, guidance)

    def decoded(self, latents: Any) -> NDArray[Any]:
        found: NDArray[Any] = self.pipe.image_processor.postprocess(self._images(latents), output_type="np")
        return found
