"""How many operations a network takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def operations(call: Callable[[], Any]) -> int:
    """The operations of a call: two a multiply-add of its products of matrices, convolutions and attentions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> int:
        return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]

    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with FlopCounterMode(display=False, custom_mapping={on_cpu: attention}) as counter:
        call()
    return int(counter.get_total_flops())
