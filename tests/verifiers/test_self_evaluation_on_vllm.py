"""Self-evaluation by the abacus generator on real vLLM: its odds are the model's, and they tell right from wrong."""

from __future__ import annotations

import warnings
from itertools import islice
from statistics import mean
from typing import Any

import pytest
from judging import context

from ponder.orchestrator.data.abacus import problems
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.vllm import VLLMEngine
from ponder.orchestrator.models import embedded
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Query
from ponder.strategies import AdaptiveSampling, BestOfN, EarlyPruning
from ponder.verifiers import AbacusAnswer, SelfEvaluation

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
PROBLEMS = [Query.ask(each.prompt, reference=each.answer) for each in islice(problems((2, 3, 4), 5, "test"), 12)]


@pytest.fixture
def engine(abacus_generator: VLLMEngine) -> VLLMEngine:
    return abacus_generator


@pytest.fixture(scope="module")
def reference() -> Any:
    """The same weights in transformers, and its tokenizer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = embedded.abacus_generator()
        return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


async def draw(engine: VLLMEngine, query: Query, n: int, max_tokens: int) -> list[Candidate]:
    return await context({"generator": engine}).sample(query, n, Sampling(max_tokens=max_tokens))


async def evaluated(engine: VLLMEngine, query: Query, candidates: list[Candidate]) -> list[float]:
    judged = await context({"generator": engine}).score(query, candidates, SelfEvaluation())
    values = [each.scores["self_evaluation"].value for each in judged]
    assert all(value is not None for value in values)
    return [value for value in values if value is not None]


@pytest.mark.parametrize("max_tokens", [6, 120])
async def test_its_odds_are_those_of_transformers(engine: VLLMEngine, reference: Any, max_tokens: int) -> None:
    import torch

    model, tokenizer = reference
    query = PROBLEMS[0]
    drawn = await draw(engine, query, 4, max_tokens)
    no, yes = tokenizer.convert_tokens_to_ids(["<no>", "<yes>"])
    found = await evaluated(engine, query, drawn)
    for candidate, q in zip(drawn, found, strict=True):
        text = query.messages[0].content + candidate.text + "<eval>"
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            odds = model(ids).logits[0, -1].log_softmax(-1)
        assert q == pytest.approx(torch.sigmoid(odds[no] - odds[yes]).item(), abs=1e-3)


async def test_it_tells_right_from_wrong(engine: VLLMEngine) -> None:
    right, wrong = [], []
    for query in PROBLEMS:
        drawn = await draw(engine, query, 16, 120)
        keys = await AbacusAnswer().keys([each.text for each in drawn])
        for key, q in zip(keys, await evaluated(engine, query, drawn), strict=True):
            (right if key == query.reference else wrong).append(q)
    assert mean(right) > mean(wrong) + 0.02
    beats = mean((one > other) + 0.5 * (one == other) for one in right for other in wrong)
    assert beats > 0.6


async def test_pruning_by_it_saves_tokens_and_adaptive_sampling_saves_draws(engine: VLLMEngine) -> None:
    knobs = {"n": 8, "max_tokens": 120}
    strategies = {
        "all": BestOfN(verifier=SelfEvaluation(), **knobs),
        "pruned": EarlyPruning(checkpoints=(12, 24), **knobs),
        "adaptive": AdaptiveSampling(threshold=0.95, cooling=0.0, **knobs),
    }
    tokens: dict[str, int] = {}
    runtime = Runtime({"generator": engine})
    for name, strategy in strategies.items():
        results = [await runtime.run(strategy, query) for query in PROBLEMS]
        assert all(result.stopped == "done" and result.candidates for result in results)
        tokens[name] = sum(result.usage.completion_tokens for result in results)
    assert tokens["pruned"] < 0.8 * tokens["all"]
    assert tokens["adaptive"] < 0.9 * tokens["all"]
