"""FLOPs, against figures worked out by hand and published ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.orchestrator.flops import ModelShape, ParameterCount

SMOLLM2_135M = {
    "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
    "intermediate_size": 1536, "vocab_size": 49152, "hidden_act": "silu", "sliding_window": None,
}  # fmt: skip
MIXTRAL_8X7B = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "vocab_size": 32000, "hidden_act": "silu", "num_local_experts": 8,
    "num_experts_per_tok": 2,
}  # fmt: skip
DEEPSEEK_MOE_16B = {
    "hidden_size": 2048, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 16,
    "intermediate_size": 10944, "vocab_size": 102400, "hidden_act": "silu", "n_routed_experts": 64,
    "num_experts_per_tok": 6, "n_shared_experts": 2, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
}  # fmt: skip
QWEN_MOE = {
    "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16,
    "intermediate_size": 5632, "vocab_size": 151936, "hidden_act": "silu", "num_experts": 60,
    "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False,
}  # fmt: skip
DEEPSEEK_V2_LITE = {
    "hidden_size": 2048, "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
    "intermediate_size": 10944, "vocab_size": 102400, "hidden_act": "silu", "n_routed_experts": 64,
    "num_experts_per_tok": 6, "n_shared_experts": 2, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "q_lora_rank": None, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}  # fmt: skip
SMOL = ModelShape.from_config(SMOLLM2_135M)
counts = st.integers(0, 3000)


def test_smollm2_is_as_published() -> None:
    assert SMOL.linear_per_token() == 212_336_640
    assert SMOL.generation(0, 0, 1) == 2 * 576 * 49152 == 56_623_104
    assert SMOL.attention(0, 1) == 69_120
    assert SMOL.attention(1000, 1) - SMOL.attention(999, 1) == 69_120


def test_a_generation_is_its_prompt_its_steps_and_its_unembeddings() -> None:
    prompt, completion = 20, 5
    contexts = sum(range(1, prompt + completion))  # the last token is never fed back
    by_hand = (prompt + completion - 1) * 212_336_640 + contexts * 69_120 + completion * 56_623_104
    assert SMOL.generation(prompt, 0, completion) == by_hand
    assert SMOL.reading(prompt) == prompt * 212_336_640 + sum(range(1, prompt + 1)) * 69_120


@given(counts, counts, st.integers(0, 50))
def test_what_is_cached_is_what_another_call_has_computed(cached, fresh, completion) -> None:
    whole = SMOL.generation(cached + fresh, 0, completion)
    assert SMOL.reading(cached) + SMOL.generation(cached + fresh, cached, completion) == whole


@given(counts, counts, counts)
def test_attention_adds_up(start, first, then) -> None:
    shape = SMOL.model_copy(update={"window": 700})
    for model in (SMOL, shape):
        assert model.attention(start, first) + model.attention(start + first, then) == model.attention(
            start, first + then
        )


def test_a_window_bounds_the_context() -> None:
    windowed = SMOL.model_copy(update={"window": 100})
    assert windowed.attention(0, 100) == SMOL.attention(0, 100)
    assert windowed.attention(5000, 7) == 7 * 100 * 69_120
    assert windowed.attention(98, 4) == (99 + 100 + 100 + 100) * 69_120


def test_a_window_that_is_not_used_does_not_count() -> None:
    config = {**SMOLLM2_135M, "sliding_window": 64}
    assert ModelShape.from_config(config).window == 64
    assert ModelShape.from_config({**config, "use_sliding_window": False}).window is None


def test_mixture_of_experts_counts_the_active_experts() -> None:
    mixtral = ModelShape.from_config(MIXTRAL_8X7B)
    attention = 4096 * (32 + 2 * 8) * 128 + 32 * 128 * 4096
    layer = attention + 3 * 4096 * 14336 * 2 + 4096 * 8
    assert mixtral.linear_per_token() == 2 * 32 * layer
    active = mixtral.linear_per_token() / 2 + 4096 * 32000
    assert active == pytest.approx(12.8e9, rel=0.02)  # 12.9 billion active parameters, as published


def test_shared_experts_and_dense_first_layers() -> None:
    shape = ModelShape.from_config(DEEPSEEK_MOE_16B)
    attention = 4 * 2048 * 2048
    dense = 3 * 2048 * 10944
    moe = 3 * 2048 * 1408 * (6 + 2) + 2048 * 64
    assert shape.linear_per_token() == 2 * (28 * attention + dense + 27 * moe)


def test_an_mlp_without_a_gate_has_two_matrices() -> None:
    plain = ModelShape.from_config({**SMOLLM2_135M, "hidden_act": "gelu"})
    assert SMOL.linear_per_token() - plain.linear_per_token() == 2 * 30 * 576 * 1536


def test_of_a_model_known_by_its_size_alone() -> None:
    model = ParameterCount(parameters=135_000_000)
    assert model.generation(10, 4, 5) == 2 * 135_000_000 * 11
    assert model.reading(10, 12) == 0


def test_qwen2_moe_counts_its_shared_expert_and_both_gates() -> None:
    shape = ModelShape.from_config(QWEN_MOE)
    layer = 4 * 2048 * 2048 + 3 * 2048 * (4 * 1408 + 5632) + 2048 * 61
    assert layer == 86_108_160
    assert shape.linear_per_token() == 2 * 24 * layer == 4_133_191_680
    active = shape.linear_per_token() / 2 + 2 * 2048 * 151936
    assert active == pytest.approx(2.7e9, rel=0.02)  # "A2.7B", both embeddings included


def test_layers_between_and_layers_named_have_no_experts() -> None:
    attention, dense, sparse = 4 * 2048 * 2048, 3 * 2048 * 5632, 3 * 2048 * 11264 + 2048 * 61
    halved = ModelShape.from_config({**QWEN_MOE, "decoder_sparse_step": 2, "mlp_only_layers": [1, 2]})
    assert halved.dense_layers == 13
    assert halved.linear_per_token() == 2 * (24 * attention + 13 * dense + 11 * sparse)


def test_compressed_attention_counts_its_own_projections() -> None:
    shape = ModelShape.from_config(DEEPSEEK_V2_LITE)
    attention = 2048 * 16 * 192 + 2048 * (512 + 64) + 512 * 16 * (128 + 128) + 16 * 128 * 2048
    assert attention == 13_762_560
    expert = 3 * 2048 * 1408 * 8 + 2048 * 64
    assert shape.linear_per_token() == 2 * (27 * attention + 3 * 2048 * 10944 + 26 * expert)
    assert shape.attention(10, 1) == 27 * 11 * 2 * 16 * (192 + 128)
    active = shape.linear_per_token() / 2 + 2 * 2048 * 102400
    assert active == pytest.approx(2.66e9, rel=0.02)  # 2.4 billion as published, which leaves one embedding out


def test_compressed_queries() -> None:
    plain = ModelShape.from_config(DEEPSEEK_V2_LITE)
    squeezed = ModelShape.from_config({**DEEPSEEK_V2_LITE, "q_lora_rank": 1536})
    saved = 2048 * 16 * 192 - 1536 * (2048 + 16 * 192)
    assert plain.linear_per_token() - squeezed.linear_per_token() == 2 * 27 * saved
