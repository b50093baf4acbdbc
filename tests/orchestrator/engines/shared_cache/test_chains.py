"""What a shared cache must give where an ordinary forward pass can tell: chains, frozen and moved blocks, commits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import KINDS, WORDS, YARN, tiny
from torch import Tensor

from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.model_spec import layers_of
from ponder.orchestrator.engines.shared_cache.row import Row
from ponder.orchestrator.engines.shared_cache.slab import Slab


def words(count: int, seed: int = 0, most: int = WORDS) -> tuple[int, ...]:
    return tuple(torch.randint(most, (count,), generator=torch.Generator().manual_seed(seed)).tolist())


def own_logits(model: Any, ids: tuple[int, ...]) -> Tensor:
    """After the last token, from a model's own forward pass; its attention is put back."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids]), use_cache=False).logits[0, -1:]
    model.set_attn_implementation(before)
    return logits


def greedy(decoder: SharedDecoder, slab: Slab, prompt: tuple[int, ...], count: int) -> list[int]:
    """What one worker writes."""
    block, ids = slab.new_block(), [*prompt]
    for start in range(count):
        fed = tuple(ids[len(prompt) + start - 1 :]) if start else prompt
        ids.append(int(decoder.forward([Row(slab, fed, (block,))]).argmax()))
    return ids[len(prompt) :]


def generated(model: Any, prompt: tuple[int, ...], count: int) -> list[int]:
    """What the model's own greedy generation writes."""
    ids = torch.tensor([prompt])
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=count, max_new_tokens=count
    )
    written: list[int] = found[0, len(prompt) :].tolist()
    return written


class TestOneWorkerWritesWhatGenerateWrites:
    @pytest.mark.parametrize("page_size", [None, 16])
    @pytest.mark.parametrize("kind", ["llama", "smollm3"])
    def test_for_two_hundred_tokens(self, kind: str, page_size: int | None) -> None:
        model, prompt = tiny(kind, tie_word_embeddings=False), words(9)
        expected = generated(model, prompt, 200)
        decoder = SharedDecoder(model, layers_of(model))
        assert greedy(decoder, decoder.slab(page_size, 32), prompt, 200) == expected
        assert len(set(expected)) > 20

    def test_with_a_real_model(self, smollm2: Any) -> None:
        prompt = words(12, most=49_152)
        expected = generated(smollm2, prompt, 30)
        decoder = SharedDecoder(smollm2, layers_of(smollm2))
        assert greedy(decoder, decoder.slab(None, 128), prompt, 30) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_after_another_that_stands_still_is_a_plain_forward_pass(kind: str) -> None:
    model = tiny(kind)
    prompt, other, mine = words(7, 1), words(9, 2), words(6, 3)
    expected = own_logits(model, prompt + other + mine)
    decoder = SharedDecoder(model, layers_of(model))
    slab = decoder.slab(4, 32)
    blocks = tuple(slab.new_block() for _ in range(3))
    for i, tokens in enumerate((prompt, other, mine[:4], mine[4:])):
        logits = decoder.forward([Row(slab, tokens, blocks[: min(i, 2) + 1])])
    assert float((logits - expected).abs().max()) <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_alone_is_a_plain_forward_pass_however_its_text_is_cut(kind: str) -> None:
    model, text = tiny(kind), words(30, 5)
    decoder = SharedDecoder(model, layers_of(model))
    slab = decoder.slab(None, 16)
    block = slab.new_block()
    for start, end in ((0, 1), (1, 17), (17, 18), (18, 29), (29, 30)):
        logits = decoder.forward([Row(slab, text[start:end], (block,))])
        assert float((logits - own_logits(model, text[:end])).abs().max()) <= 1e-4


@pytest.mark.parametrize("rope", [YARN, None], ids=["yarn", "plain"])
def test_a_block_reads_the_same_however_often_it_was_moved(rope: dict[str, Any] | None) -> None:
    model = tiny("llama", max_position_embeddings=64, rope_parameters=rope)
    decoder, before = SharedDecoder(model, layers_of(model)), words(12, 1)
    found = []
    for moves in (0, 1, 3):
        slab = decoder.slab(4, 32)
        other, moved, mine, eye = (slab.new_block() for _ in range(4))
        parts = [before[i * 12 // (moves or 1) : (i + 1) * 12 // (moves or 1)] for i in range(moves or 1)]
        rows = [Row(slab, words(8, 2), (moved,)), *(Row(slab, part, (other,)) for part in parts)]
        for row in rows if moves else reversed(rows):
            decoder.forward([row])
            decoder.forward([Row(slab, (1,), (other, moved, eye))])
        found.append(decoder.forward([Row(slab, words(5, 3), (other, moved, mine))]))
    assert float((found[0] - found[1]).abs().max()) <= 1e-4
    assert float((found[0] - found[2]).abs().max()) <= 1e-4


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt_oss"])
def test_a_commit_that_moves_nothing_changes_nothing(kind: str) -> None:
    model = tiny(kind)
    decoder = SharedDecoder(model, layers_of(model))
    found = []
    for is_committed in (False, True):
        slab = decoder.slab(4, 32)
        prompt, other, mine, next_one = (slab.new_block() for _ in range(4))
        decoder.forward([Row(slab, words(7, 1), (prompt,))])
        decoder.forward([Row(slab, words(5, 2), (prompt, other)), Row(slab, words(6, 3), (prompt, other, mine))])
        view = (prompt, other, mine, next_one) if is_committed else (prompt, other, mine)
        found.append(decoder.forward([Row(slab, words(3, 4), view)]))
    assert float((found[0] - found[1]).abs().max()) <= 1e-5
