"""What the attention layers of a transformers model do, read from the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .layer_spec import LayerSpec
from .rope import Pairs, RopeTable
from .suitability import require_suitable


@dataclass(frozen=True, slots=True)
class Family:
    """What is special about the models of one type, where their config and modules do not say it.

    Args:
        pairs: which dimensions of a head turn together.
        caps_scores: whether ``attn_logit_softcapping`` is applied.
        only_windows_turn: whether, where some layers have a window, the others have no rotary positions.
    """

    pairs: Pairs = "halves"
    caps_scores: bool = False
    only_windows_turn: bool = False


PLAIN = Family()
FAMILIES = {
    "llama": PLAIN,
    "mistral": PLAIN,
    "qwen2": PLAIN,
    "qwen3": PLAIN,
    "gemma": PLAIN,
    "gemma2": Family(caps_scores=True),
    "gemma3_text": PLAIN,
    "vaultgemma": Family(caps_scores=True),
    "phi": PLAIN,
    "phi3": PLAIN,
    "smollm3": PLAIN,
    "qwen2_moe": PLAIN,
    "qwen3_moe": PLAIN,
    "mixtral": PLAIN,
    "olmo": PLAIN,
    "olmo2": PLAIN,
    "olmo3": PLAIN,
    "olmoe": PLAIN,
    "granite": PLAIN,
    "granitemoe": PLAIN,
    "starcoder2": PLAIN,
    "cohere": Family("neighbours"),
    "cohere2": Family("neighbours", only_windows_turn=True),
    "glm": Family("neighbours"),
    "glm4": Family("neighbours"),
    "glm4_moe": PLAIN,
    "exaone4": Family(only_windows_turn=True),
    "helium": Family("neighbours"),
    "ernie4_5": Family("neighbours"),
    "gpt_oss": PLAIN,
    "seed_oss": PLAIN,
}
"""The model types that are known to work, each tested; another is taken for a plain one and must pass the self-test."""


def layers_of(model: Any) -> tuple[LayerSpec, ...]:
    """The specification of each attention layer of a transformers model for causal language modelling.

    Raises:
        EngineRefused: its attention is of a kind that a shared cache cannot serve.
    """
    require_suitable(model)
    config = model.config
    family = FAMILIES.get(config.model_type, PLAIN)
    tables = _Tables(model.base_model.rotary_emb, model.device)
    kinds = getattr(config, "layer_types", None) or [None] * config.num_hidden_layers
    attentions = [layer.self_attn for layer in model.base_model.layers]
    return tuple(_layer(attention, kind, family, tables) for attention, kind in zip(attentions, kinds, strict=True))


class _Tables:
    """The rope tables of a model, one for each set of frequencies, so that layers share them."""

    def __init__(self, rotary: Any, device: torch.device) -> None:
        self._rotary = rotary
        self._device = device
        self._made: dict[str, RopeTable] = {}

    def of(self, kind: str | None) -> RopeTable:
        """That of the layers of a type, or of all where the model has one."""
        name = f"{kind}_inv_freq"
        name = name if hasattr(self._rotary, name) else "inv_freq"
        if name not in self._made:
            self._made[name] = RopeTable(getattr(self._rotary, name), self._device)
        return self._made[name]

    def none(self) -> RopeTable:
        """That of layers without rotary positions."""
        return self._made.setdefault("", RopeTable(torch.empty(0), self._device))


def _layer(attention: Any, kind: str | None, family: Family, tables: _Tables) -> LayerSpec:
    config = attention.config
    width = getattr(config, "sliding_window", None)
    window = width if kind in (None, "sliding_attention") else None
    is_still = family.only_windows_turn and width and window is None
    return LayerSpec(
        rope=tables.none() if is_still or not getattr(attention, "use_rope", True) else tables.of(kind),
        pairs=family.pairs,
        window=window,
        softcap=config.attn_logit_softcapping if family.caps_scores else None,
        sinks=getattr(attention, "sinks", None),
    )
