"""Decoding over a shared cache is exact: logits against a dense recomputation in float64."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import torch
from dense_reference import Dense, Reading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import KINDS, WORDS, halved, tiny
from torch import Tensor
from view_scripts import Script, opened, rows_of

from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.model_spec import layers_of

GROUPS = (2, 4, 8)
"""Workers of the groups that decode side by side."""
RANDOM = st.integers(0, 2**32).map(Random)
"""Not the strategy of random objects, whose simplest draws make all tokens the same, which shows nothing."""


def both(model: Any, scripts: Sequence[Script]) -> tuple[Tensor, Tensor]:
    """Logits of all rows of groups that decode in the same passes: the decoder's, and the reference's."""
    reference, decoder = Dense(model), SharedDecoder(model, layers_of(model))
    slabs = [opened(decoder, script) for script in scripts]
    ours, expected = [], []
    for number in range(len(scripts[0].passes)):
        rows = [row for slab, script in zip(slabs, scripts, strict=True) for row in rows_of(slab, script, number)]
        ours.append(decoder.forward(rows))
        readings = [Reading(row.tokens, tuple((id(row.slab), block) for block in row.view)) for row in rows]
        expected.append(reference.logits(readings))
    return torch.cat(ours).double(), torch.cat(expected).double()


def require_same(ours: Tensor, expected: Tensor) -> None:
    assert float((ours - expected).abs().max()) <= 1e-4
    assert torch.equal(ours.argmax(-1), expected.argmax(-1))


def require_close(ours: Tensor, expected: Tensor) -> None:
    mine, theirs = ours.log_softmax(-1), expected.log_softmax(-1)
    assert float((theirs.exp() * (theirs - mine)).sum(-1).max()) <= 2e-2


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(rng=RANDOM)
def test_every_worker_of_every_model_type_sees_what_its_view_says(kind: str, rng: Random) -> None:
    require_same(*both(tiny(kind), [Script(rng, workers, WORDS).extend(3) for workers in GROUPS]))


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(rng=RANDOM, workers=st.integers(1, 8))
def test_long_runs_of_any_number_of_workers_stay_exact(rng: Random, workers: int) -> None:
    require_same(*both(tiny("qwen3"), [Script(rng, workers, WORDS).extend(8)]))


def test_a_long_text_stays_exact() -> None:
    """Longer than the turns that are computed at first."""
    rng = Random(1)
    script = Script(rng, 2, WORDS).extend(3)
    script.passes[0] = [(tuple(rng.randrange(WORDS) for _ in range(1500)), (0,))]
    require_same(*both(tiny("llama", max_position_embeddings=2048), [script]))


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_stays_close(kind: str) -> None:
    """With all experts at work, as half precision takes others where two are nearly as good."""
    everyone = {"num_experts_per_tok": 4} if "num_experts_per_tok" in KINDS[kind] else {}
    model = halved(tiny(kind, **everyone))
    require_close(*both(model, [Script(Random(7), 4, WORDS).extend(3)]))


class TestSmolLM2:
    """A real model of 135 million parameters: three groups decode in the same passes."""

    def test_every_worker_sees_what_its_view_says(self, smollm2: Any) -> None:
        scripts = [Script(Random(workers), workers, 49_152).extend(2) for workers in GROUPS]
        require_same(*both(smollm2, scripts))

    def test_half_precision_stays_close(self, smollm2: Any) -> None:
        require_close(*both(halved(smollm2), [Script(Random(3), 4, 49_152).extend(2)]))
