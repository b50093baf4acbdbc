"""A transformers model that decodes rows over shared caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .attention import NAME, shared_attention
from .forward_pass import ForwardPass
from .layer_spec import LayerSpec
from .row import Row
from .slab import CacheShape, Slab


class SharedDecoder:
    """Runs a model on rows: see `Row` for what a worker reads and sees.

    Args:
        model: a transformers model for causal language modelling, in evaluation mode; its attention is replaced.
        layers: what each of its attention layers does.
    """

    def __init__(self, model: Any, layers: Sequence[LayerSpec]) -> None:
        from transformers import AttentionInterface, AttentionMaskInterface

        AttentionInterface.register(NAME, shared_attention)
        AttentionMaskInterface.register(NAME, lambda *_, **__: None)
        model.set_attn_implementation(NAME)
        self._model = model
        self._layers = tuple(layers)
        config = model.config.get_text_config()
        heads = config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        kv_heads = getattr(config, "num_key_value_heads", None) or heads
        self.shape = CacheShape(config.num_hidden_layers, kv_heads, size, model.dtype, model.device)

    def slab(self, page_size: int | None, capacity: int) -> Slab:
        """A cache for one group of workers; see `Slab`."""
        return Slab(self.shape, page_size, capacity)

    @torch.inference_mode()
    def forward(self, rows: Sequence[Row]) -> Tensor:
        """The logits after the last token of each row that predicts, ``[rows, vocabulary]`` in float32; blocks grow."""
        shared = ForwardPass(rows, self._model.device)
        ids = torch.tensor([[token for row in rows for token in row.tokens]], device=self._model.device)
        last = torch.tensor(shared.last_columns, dtype=torch.long, device=self._model.device)
        output = self._model(
            input_ids=ids,
            position_ids=torch.zeros_like(ids),
            use_cache=False,
            logits_to_keep=last,
            shared_pass=shared,
            shared_layers=self._layers,
        )
        logits: Tensor = output.logits[0]
        return logits.float()
