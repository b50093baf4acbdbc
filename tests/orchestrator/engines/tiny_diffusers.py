"""Networks and pipelines of diffusers of random weights, small enough to be made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SIDE = 16
"""Of the images of pipelines, in pixels."""


def flow_scheduler(**knobs: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=1.0, **knobs)


def ddim_scheduler(**knobs: Any) -> Any:
    """A DDIM scheduler whose times are those of a uniform grid, where steps divide 1000."""
    from diffusers import DDIMScheduler

    plain = {"timestep_spacing": "trailing", "set_alpha_to_one": True, "clip_sample": False, "steps_offset": 1}
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **(plain | knobs))


def make_dit(folder: Path) -> Path:
    """A class-conditional transformer of 8 by 8 grey pixels, of the settings of the embedded digits."""
    from diffusers import DiTTransformer2DModel

    seed()
    model = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=1,
        out_channels=1,
        num_layers=2,
        patch_size=2,
        sample_size=8,
        num_embeds_ada_norm=10,
        norm_num_groups=1,
    )
    model.save_pretrained(folder)
    return folder


def make_unet(folder: Path, classes: int | None = None) -> Path:
    """A UNet of 8 by 8 colour pixels."""
    from diffusers import UNet2DModel

    seed()
    model = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=8,
        num_class_embeds=classes,
    )
    model.save_pretrained(folder)
    return folder


def make_flux(folder: Path, *, reads: bool, guidance_embeds: bool, scheduler: Any = None) -> Path:
    """A pipeline of the shape of FLUX, with the two text encoders if it `reads`."""
    from diffusers import FluxPipeline, FluxTransformer2DModel

    seed()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    clip, words = (clip_encoder(), clip_tokenizer()) if reads else (None, None)
    t5, pieces = (t5_encoder(), t5_tokenizer()) if reads else (None, None)
    pipe = FluxPipeline(scheduler or flow_scheduler(), vae(), clip, words, t5, pieces, transformer)
    pipe.save_pretrained(folder)
    return folder


def conditional_unet(width: int, **knobs: Any) -> Any:
    """The network of Stable Diffusion, which attends to words of some width."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=SIDE // 2,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=width,
        **knobs,
    )


def make_stable_diffusion(folder: Path, scheduler: Any = None) -> Path:
    """A pipeline of the shape of Stable Diffusion."""
    from diffusers import StableDiffusionPipeline

    seed()
    unet = conditional_unet(32)
    parts = (vae(), clip_encoder(), clip_tokenizer(), unet, scheduler or ddim_scheduler())
    pipe = StableDiffusionPipeline(*parts, None, None, requires_safety_checker=False)
    pipe.save_pretrained(folder)
    return folder


def make_stable_diffusion_xl(folder: Path) -> Path:
    """A pipeline of the shape of Stable Diffusion XL."""
    from diffusers import StableDiffusionXLPipeline

    seed()
    times = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    unet = conditional_unet(64, **times, projection_class_embeddings_input_dim=6 * 8 + 32)
    encoders = (clip_encoder(), clip_encoder(projects=True))
    parts = (vae(), *encoders, clip_tokenizer(), clip_tokenizer(), unet, ddim_scheduler())
    StableDiffusionXLPipeline(*parts).save_pretrained(folder)
    return folder


def vae() -> Any:
    """From 4 channels to colour, twice as wide."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=SIDE,
        shift_factor=0.1,
    )


def clip_encoder(projects: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(LETTERS) * 2 + 2,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=32,
    )
    return (CLIPTextModelWithProjection if projects else CLIPTextModel)(config).eval()


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    pieces = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=77)


def t5_encoder() -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=len(LETTERS) + 4, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=[*special, *((letter, -3.0) for letter in LETTERS)], extra_ids=0)


def seed() -> None:
    import torch

    torch.manual_seed(0)
