"""The test that every model passes before its workers share a cache.

Attention over a shared cache knows a model by its layers' specifications alone. One that is wrong gives fluent text
from the wrong distribution, so no model is used before its logits were compared with those of its own forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...errors import EngineRefused
from .decoder import SharedDecoder
from .layer_spec import LayerSpec
from .row import Row
from .twin import WINDOW, per_layer, twin_of

TOLERANCE = 1e-4
KL_TOLERANCE = 2e-2
FAR, FAR_TOLERANCE = 1 << 16, 0.02
"""A position far out, and how much angles computed in float32 may change there."""
PAGE = 4
PASSES = ((0, 6), (0, 5), (1, 1), (1, 7), (3, 1), (3, 9), (3, 1), (3, 1))
"""Block and number of tokens of each pass of a chain; block 2 stays empty."""


def check(model: Any, layers: Sequence[LayerSpec]) -> None:
    """Compare shared-cache decoding with a model's own eager forward pass; leaves no trace.

    Small random twins of the model, their windows cut to a few tokens, show what short texts and near-uniform
    attention would hide: one that covers every kind of layer writes a chain of blocks in several passes, and one for
    each kind, of a single layer, sees blocks that were written elsewhere than it sees them. Then the model itself
    writes a chain.

    Args:
        model: a transformers model for causal language modelling, in evaluation mode.
        layers: the specification of each of its attention layers.

    Raises:
        EngineRefused: logits differ by more than 1e-4 of their standard deviation (float32), or distributions by
            a median KL divergence of more than 0.02 nats (half precision); or the comparison cannot be made.
    """
    try:
        with torch.inference_mode():
            _check_twins(model, layers)
            _check_itself(model, layers)
    except EngineRefused:
        raise
    except Exception as error:  # a model outside the specification fails in ways of its own
        raise _refused(
            model, f"which stops with {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error


def _check_twins(model: Any, layers: Sequence[LayerSpec]) -> None:
    kinds = _kinds(model.config, layers)
    for chosen in [[kind] for kind in kinds] + [kinds if len(kinds) > 1 else [0] * min(2, len(layers))]:
        twin = twin_of(model, chosen)
        attentions = [layer.self_attn for layer in twin.base_model.layers]
        specs = [_shrunken(layers[i], model.config, at) for i, at in zip(chosen, attentions, strict=True)]
        compare, ids = _moved if len(chosen) == 1 else _chain, _ids(twin, 40)
        _require_same(model, compare(twin, specs, ids), f"in a small model of layers like {chosen}")
        if len(chosen) == 1:
            _require_relative(model, _own_logits(twin, ids), _own_logits(twin, ids, FAR))


def _check_itself(model: Any, layers: Sequence[LayerSpec]) -> None:
    with _restored(model):
        logits = _chain(model, layers, _ids(model, 48))
    if model.dtype == torch.float32:
        _require_same(model, logits, "with its own weights")
    elif not (divergence := _divergence(*logits)) <= KL_TOLERANCE:
        raise _refused(model, f"whose distributions differ by {divergence:.2g} nats with its own weights")


def _kinds(config: Any, layers: Sequence[LayerSpec]) -> list[int]:
    """The first layer of each kind: by its specification and by all that the config says of it."""
    said = [value for value in per_layer(config).values() if list(value) != list(range(len(value)))]
    kinds: dict[Any, int] = {}
    for i, spec in enumerate(layers):
        kind = (id(spec.rope), spec.pairs, spec.window, spec.softcap, spec.sinks is None, *(repr(v[i]) for v in said))
        kinds.setdefault(kind, i)
    return list(kinds.values())


def _shrunken(spec: LayerSpec, config: Any, attention: Any) -> LayerSpec:
    """The specification for a twin: its own sinks, and a window that is as wrong as it was before."""
    cut = (getattr(config, "sliding_window", None) or WINDOW) - WINDOW
    window = None if spec.window is None else spec.window - cut
    return replace(spec, window=window, sinks=None if spec.sinks is None else getattr(attention, "sinks", None))


def _ids(model: Any, count: int) -> list[int]:
    """Random tokens, the same every time."""
    drawn: list[int] = torch.randint(
        model.config.vocab_size, (count,), generator=torch.Generator().manual_seed(0)
    ).tolist()
    return drawn


def _chain(model: Any, layers: Sequence[LayerSpec], ids: list[int]) -> tuple[Tensor, Tensor]:
    """Logits after each pass that writes a chain of blocks, and those of one forward pass over the whole."""
    lengths = [count * len(ids) // sum(count for _, count in PASSES) for _, count in PASSES]
    expected = _own_logits(model, ids[: sum(lengths)])
    decoder = SharedDecoder(model, layers)
    slab = decoder.slab(PAGE, len(ids))
    blocks = [slab.new_block() for _ in range(4)]
    ours, ends = [], list[int]()
    for (block, _), length in zip(PASSES, lengths, strict=True):
        start = ends[-1] + 1 if ends else 0
        row = Row(slab, tuple(ids[start : start + length]), tuple(blocks[: block + 1]))
        ours.append(decoder.forward([row]))
        ends.append(start + length - 1)
    return torch.cat(ours), expected[ends]


def _moved(model: Any, layers: Sequence[LayerSpec], ids: list[int]) -> tuple[Tensor, Tensor]:
    """Logits of workers that see blocks in two orders, and those of a forward pass over each order.

    The blocks were written at the same time, each as if it stood alone: with a single layer a token's key and value
    depend on nothing before it.
    """
    parts = [tuple(ids[:7]), tuple(ids[7:18]), tuple(ids[18:24]), tuple(ids[24:32])]
    orders = ((0, 1), (1, 0))
    expected = torch.stack(
        [_own_logits(model, [*parts[i], *parts[j], *parts[own]])[-1] for own, (i, j) in enumerate(orders, start=2)]
    )
    decoder = SharedDecoder(model, layers)
    slab = decoder.slab(PAGE, len(ids))
    blocks = [slab.new_block() for _ in parts]
    decoder.forward([Row(slab, parts[i], (blocks[i],)) for i in (0, 1)])
    rows = [Row(slab, parts[own], (*order, own)) for own, order in enumerate(orders, start=2)]
    return decoder.forward(rows), expected


def _own_logits(model: Any, ids: list[int], start: int = 0) -> Tensor:
    """Logits of a plain forward pass whose first token is at position `start`, ``[T, vocabulary]``."""
    model.set_attn_implementation("eager")
    positions = torch.arange(start, start + len(ids), device=model.device)
    given = torch.tensor([ids], device=model.device)
    logits: Tensor = model(input_ids=given, position_ids=positions[None], use_cache=False).logits[0]
    return logits.float()


@contextmanager
def _restored(model: Any) -> Iterator[None]:
    """Puts the attention implementation back."""
    before = model.config._attn_implementation
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _require_same(model: Any, logits: tuple[Tensor, Tensor], where: str) -> None:
    ours, expected = logits
    error = float((ours - expected).abs().max() / expected.std())
    if not error <= TOLERANCE:
        raise _refused(model, f"whose logits differ by {error:.2g} standard deviations {where}")


def _require_relative(model: Any, near: Tensor, far: Tensor) -> None:
    """Positions act through their distances alone; the median token tells, as an expert may change for some."""
    error = float((far - near).abs().amax(-1).median() / near.std())
    if not error <= FAR_TOLERANCE:
        raise _refused(model, f"whose own logits differ by {error:.2g} standard deviations {FAR} positions on")


def _divergence(ours: Tensor, expected: Tensor) -> float:
    """The median KL divergence of our distributions from those expected, in nats; an expert may change for some."""
    mine, theirs = ours.log_softmax(-1), expected.log_softmax(-1)
    return float((theirs.exp() * (theirs - mine)).sum(-1).median())


def _refused(model: Any, why: str) -> EngineRefused:
    return EngineRefused(
        "decoding over a shared cache must give the logits of a model's own forward pass, got a "
        f"{model.config.model_type!r} model, {why}; share by steps instead (layout steps or fork_join), "
        "which works on every engine"
    )
