"""What each attention layer of a model does with positions and scores."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rope import Pairs, RopeTable


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One attention layer: softmax attention with rotary positions, or none.

    Args:
        rope: its turns; a table of no pairs where the layer has no positions.
        pairs: which dimensions make a pair.
        window: how many tokens back a token sees, itself among them; None sees all.
        softcap: scores are squeezed to (-softcap, softcap) by tanh; None leaves them.
        sinks: ``[heads]``: a logit a head that takes a share of the softmax and gives nothing; None has none.
    """

    rope: RopeTable
    pairs: Pairs = "halves"
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None
