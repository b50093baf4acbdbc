"""What is read from each type of model, and which models are refused before anything is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import GLOBAL, KINDS, tiny
from transformers import AutoConfig, AutoModelForImageTextToText, AutoModelForSeq2SeqLM

from ponder.orchestrator.engines.shared_cache.model_spec import FAMILIES, layers_of
from ponder.orchestrator.engines.shared_cache.self_test import check
from ponder.orchestrator.errors import EngineRefused


def test_every_type_that_is_known_is_tested() -> None:
    assert set(FAMILIES) == set(KINDS)


def test_windows_belong_to_the_layers_that_slide() -> None:
    assert [layer.window for layer in layers_of(tiny("gemma2"))] == [6, None]
    assert [layer.window for layer in layers_of(tiny("mistral"))] == [6, 6]
    assert [layer.window for layer in layers_of(tiny("llama"))] == [None, None]


def test_scores_are_capped_where_the_model_caps_them() -> None:
    assert [layer.softcap for layer in layers_of(tiny("gemma2"))] == [5.0, 5.0]
    assert [layer.softcap for layer in layers_of(tiny("gemma3_text"))] == [None, None]


def test_sinks_are_the_models_own() -> None:
    model = tiny("gpt_oss")
    first = layers_of(model)[0].sinks
    assert first is not None and torch.equal(first, model.model.layers[0].self_attn.sinks)
    assert layers_of(tiny("llama"))[0].sinks is None


def test_layers_of_two_types_have_two_tables_and_layers_of_one_share_theirs() -> None:
    local, broad = layers_of(tiny("gemma3_text"))
    at = torch.tensor([1])
    assert torch.allclose(local.rope.at(at).angle()[0, 1], torch.tensor(10.0 ** (-2 / 32)))
    assert torch.allclose(broad.rope.at(at).angle()[0, 1], torch.tensor(1e4 ** (-2 / 32)))
    first, second = layers_of(tiny("llama"))
    assert first.rope is second.rope


@pytest.mark.parametrize(
    ("kind", "pairs", "style"),
    [
        ("llama", [8, 8], "halves"),
        ("phi3", [6, 6], "halves"),
        ("smollm3", [8, 0], "halves"),
        ("cohere2", [8, 0], "neighbours"),
        ("exaone4", [8, 0], "halves"),
        ("glm4", [4, 4], "neighbours"),
    ],
)
def test_pairs_that_turn(kind: str, pairs: list[int], style: str) -> None:
    layers = layers_of(tiny(kind))
    assert [layer.rope.pairs for layer in layers] == pairs
    assert {layer.pairs for layer in layers} == {style}


LONGROPE = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
MLA = {"kv_lora_rank": 16, "q_lora_rank": None, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "latent attention": ("deepseek_v3", {**MLA, "first_k_dense_replace": 2}, "latent attention"),
    "linear attention": (
        "qwen3_next",
        {"layer_types": ["linear_attention", "full_attention"], "num_experts": 4, "num_experts_per_tok": 2},
        "layers of linear_attention",
    ),
    "convolutions": ("lfm2", {"layer_types": ["conv", "full_attention"]}, "layers of conv"),
    "a state space": ("mamba2", {"head_dim": 16, "num_heads": 8}, "layers of linear_attention"),
    "chunks": ("llama4_text", {"num_local_experts": 2, "head_dim": 16}, "layers of chunked_attention"),
    "learned positions": ("gpt2", {}, "not all of whose layers"),
    "ALiBi": ("bloom", {}, "not all of whose layers"),
    "positions of the embedding": ("biogpt", {}, "no rotary positions"),
    "longrope": (
        "phi3",
        {"original_max_position_embeddings": 64, "sliding_window": None, "rope_parameters": LONGROPE},
        "rope_type 'longrope'",
    ),
    "dynamic frequencies": (
        "llama",
        {"rope_parameters": {**GLOBAL, "rope_type": "dynamic", "factor": 2.0}},
        "'dynamic'",
    ),
    "several axes": ("qwen2", {"rope_parameters": {**GLOBAL, "mrope_section": [2, 3, 3]}}, "M-RoPE"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_shared_cache_cannot_serve_is_refused(what: str) -> None:
    kind, settings, why = REFUSED[what]
    model = tiny(kind, **settings)
    with pytest.raises(EngineRefused, match=f"got a '{kind}' model, .*{why}.*; share by steps instead"):
        layers_of(model)


def test_an_encoder_is_refused() -> None:
    config = AutoConfig.for_model("t5", d_model=32, d_ff=32, num_layers=1, vocab_size=32, d_kv=8, num_heads=2)
    with pytest.raises(EngineRefused, match="'t5' model, which has an encoder"):
        layers_of(AutoModelForSeq2SeqLM.from_config(config))


def test_pictures_are_refused() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "gemma3", text_config={**sizes, "vocab_size": 32, "num_key_value_heads": 1, "head_dim": 8}, vision_config=sizes
    )
    with pytest.raises(EngineRefused, match="'gemma3' model, which reads more than text"):
        layers_of(AutoModelForImageTextToText.from_config(config))


def test_scores_that_depend_on_absolute_positions_are_refused() -> None:
    scaled = {**GLOBAL, "llama_4_scaling_beta": 0.1, "original_max_position_embeddings": 8192}
    model = tiny("ministral3", rope_parameters=scaled, head_dim=16)
    with pytest.raises(
        EngineRefused, match=r"whose own logits differ by 0\.\d+ standard deviations 65536 positions on"
    ):
        check(model, layers_of(model))


def test_a_type_that_is_not_known_is_served_where_it_passes() -> None:
    model = tiny("arcee")
    assert model.config.model_type not in FAMILIES
    check(model, layers_of(model))
