"""A prompt of so many pages that its tokens are attended in parts."""

from __future__ import annotations

import pytest
import torch
from tiny_models import WORDS, tiny

from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.forward_pass import MOST_TURNED, Group
from ponder.orchestrator.engines.shared_cache.model_spec import layers_of
from ponder.orchestrator.engines.shared_cache.row import Row

TOKENS = 100


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt_oss"])
def test_tokens_attended_in_parts_get_the_logits_of_a_plain_forward(kind: str) -> None:
    model, ids = tiny(kind), torch.randint(WORDS, (1, TOKENS), generator=torch.Generator().manual_seed(0))
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        expected = model(ids, use_cache=False).logits[0, -1]
    decoder = SharedDecoder(model, layers_of(model))
    slab = decoder.slab(1, TOKENS)
    found = decoder.forward([Row(slab, tuple(ids[0].tolist()), (slab.new_block(),))])
    assert torch.allclose(found[0], expected, atol=1e-4)


def test_no_part_turns_its_queries_to_more_pages_than_allowed() -> None:
    slab = SharedDecoder(tiny("llama"), ()).slab(1, TOKENS)
    group = Group([Row(slab, (0,) * TOKENS, (slab.new_block(),))], 0)
    assert [part.stop - part.start for part in group.parts] == [MOST_TURNED // TOKENS] * 2 + [TOKENS - 80]
