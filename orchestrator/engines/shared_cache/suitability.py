"""Which models a shared cache can serve at all, told from their config and modules."""

from __future__ import annotations

from typing import Any

from ...errors import EngineRefused

INSTEAD = "share by steps instead (layout steps or fork_join), which works on every engine"
ATTENTIONS = {"full_attention", "sliding_attention"}
BY_LENGTH = ("dynamic", "longrope")


def require_suitable(model: Any) -> None:
    """Pass a model whose layers are softmax attention with rotary positions of fixed frequencies, or none.

    Raises:
        EngineRefused: it is not; says why and what to use.
    """
    if (why := _obstacle(model)) is not None:
        raise EngineRefused(
            "a shared cache serves text-only decoders of softmax attention with rotary positions of fixed "
            f"frequencies, got a {model.config.model_type!r} model, {why}; {INSTEAD}"
        )


def _obstacle(model: Any) -> str | None:
    """Why a model cannot be served, where it cannot."""
    config = model.config
    if getattr(config, "is_encoder_decoder", False):
        return "which has an encoder"
    if config.get_text_config() is not config or any(hasattr(config, f"{kind}_config") for kind in ("vision", "audio")):
        return "which reads more than text"
    if getattr(config, "kv_lora_rank", None):
        return "whose latent attention (MLA) keeps keys that are not those it scores with"
    if others := sorted(set(getattr(config, "layer_types", None) or ()) - ATTENTIONS):
        return f"which has layers of {', '.join(others)}"
    layers = getattr(model.base_model, "layers", ())
    if not layers or not all(hasattr(layer, "self_attn") for layer in layers):
        return "not all of whose layers are softmax attention as transformers lays it out"
    return _rope_obstacle(model)


def _rope_obstacle(model: Any) -> str | None:
    """Why its positions cannot be turned, where they cannot."""
    rotary = getattr(model.base_model, "rotary_emb", None)
    if rotary is None:
        return "which has no rotary positions (learned ones or ALiBi, or none)"
    given = getattr(model.config, "rope_parameters", None) or {}
    for parameters in [given, *(value for value in given.values() if isinstance(value, dict))]:
        if (kind := parameters.get("rope_type")) in BY_LENGTH:
            return f"whose rotary frequencies depend on the length of the text (rope_type {kind!r})"
        if "mrope_section" in parameters:
            return "whose positions have several axes (M-RoPE)"
    return None
