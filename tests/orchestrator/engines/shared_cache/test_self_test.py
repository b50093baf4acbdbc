"""No model passes its self-test with a specification that is wrong anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import KINDS, YARN, halved, tiny

from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.layer_spec import LayerSpec
from ponder.orchestrator.engines.shared_cache.loading import load
from ponder.orchestrator.engines.shared_cache.model_spec import layers_of
from ponder.orchestrator.engines.shared_cache.rope import RopeTable
from ponder.orchestrator.engines.shared_cache.self_test import check
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.models import path

Layers = tuple[LayerSpec, ...]
CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_every_supported_type_passes(kind: str) -> None:
    model = tiny(kind)
    check(model, layers_of(model))


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt_oss"])
def test_half_precision_passes(kind: str) -> None:
    model = halved(tiny(kind))
    check(model, layers_of(model))


def every(**changes: Any) -> Callable[[Layers], Layers]:
    return lambda layers: tuple(replace(layer, **changes) for layer in layers)


def last(**changes: Any) -> Callable[[Layers], Layers]:
    return lambda layers: (*layers[:-1], replace(layers[-1], **changes))


def widened(by: int) -> Callable[[Layers], Layers]:
    return lambda layers: tuple(replace(layer, window=layer.window and layer.window + by) for layer in layers)


def swapped(field: str) -> Callable[[Layers], Layers]:
    """Each of two layers takes the other's."""
    return lambda layers: tuple(
        replace(layer, **{field: getattr(other, field)}) for layer, other in zip(layers, reversed(layers), strict=True)
    )


def table(base: float, size: int) -> RopeTable:
    return RopeTable(base ** -(torch.arange(0, size, 2) / size), CPU)


WRONG: dict[str, tuple[str, dict[str, Any], Callable[[Layers], Layers]]] = {
    "halves for neighbours": ("glm4", {}, every(pairs="halves")),
    "neighbours for halves": ("qwen2", {}, every(pairs="neighbours")),
    "no window": ("mistral", {}, every(window=None)),
    "a window where there is none": ("olmo2", {}, every(window=6)),
    "a window too wide by one": ("mistral", {"sliding_window": 4096}, widened(1)),
    "a window too narrow by one": ("gemma2", {"sliding_window": 4096}, widened(-1)),
    "windows of the other layers": ("gemma2", {"sliding_window": 4096}, swapped("window")),
    "no softcap": ("gemma2", {"attn_logit_softcapping": 50.0}, every(softcap=None)),
    "a softcap where there is none": ("qwen2", {}, every(softcap=50.0)),
    "another softcap": ("gemma2", {"attn_logit_softcapping": 50.0}, every(softcap=30.0)),
    "no sinks": ("gpt_oss", {}, every(sinks=None)),
    "sinks where there are none": ("qwen2", {}, every(sinks=torch.zeros(4))),
    "no sinks in one layer": ("gpt_oss", {}, last(sinks=None)),
    "all dimensions turn": ("phi3", {}, every(rope=table(1e4, 16))),
    "half of the dimensions turn": ("llama", {}, every(rope=table(1e4, 8))),
    "more dimensions turn than there are": ("llama", {}, every(rope=table(1e4, 64))),
    "positions where there are none": ("smollm3", {}, last(rope=table(1e4, 16))),
    "no positions where there are": ("llama", {}, last(rope=table(1e4, 0))),
    "the table of the other layers": ("gemma3_text", {}, swapped("rope")),
    "another base": ("qwen2", {}, every(rope=table(2e4, 16))),
    "the table before YaRN": (
        "llama",
        {"max_position_embeddings": 64, "rope_parameters": YARN},
        every(rope=table(1e4, 16)),
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_specification_is_refused(wrong: str) -> None:
    kind, settings, change = WRONG[wrong]
    model = tiny(kind, **settings)
    right = layers_of(model)
    check(model, right)
    with pytest.raises(EngineRefused, match=f"got a '{kind}' model, wh.*; share by steps instead"):
        check(model, change(right))


def test_it_leaves_no_trace() -> None:
    model = tiny("gemma2")
    model.set_attn_implementation("sdpa")
    torch.manual_seed(5)
    before, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    check(model, layers_of(model))
    with pytest.raises(EngineRefused):
        check(model, every(window=None)(layers_of(model)))
    assert model.config._attn_implementation == "sdpa"
    assert model.config.sliding_window == KINDS["gemma2"]["sliding_window"]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


class TestLoading:
    def test_a_model_that_passes_is_ready_to_decode(self) -> None:
        decoder = load(str(path("abacus-generator")), dtype="float32")
        assert isinstance(decoder, SharedDecoder)
        assert decoder.shape.dtype == torch.float32

    def test_a_model_that_fails_is_refused(self, tmp_path: Path) -> None:
        tiny("nanochat").save_pretrained(tmp_path)
        with pytest.raises(EngineRefused, match="'nanochat' model, whose logits differ by"):
            load(str(tmp_path))

    def test_what_is_no_model_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(EngineRefused, match="model must be a causal language model that transformers opens"):
            load(str(tmp_path))
        with pytest.raises(EngineRefused, match="dtype must be one of auto, float32, bfloat16, float16, got 'int4'"):
            load(str(path("abacus-generator")), dtype="int4")
        with pytest.raises(EngineRefused, match="device must be one that torch finds here"):
            load(str(path("abacus-generator")), device="nowhere")

    def test_a_model_without_some_of_its_weights_is_refused(self) -> None:
        with pytest.raises(EngineRefused, match=r"must hold all weights.*lacks lm_head\.weight; give one"):
            load(str(path("abacus-prm")))
