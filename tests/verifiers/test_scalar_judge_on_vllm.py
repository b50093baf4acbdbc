"""The scalar judge on real vLLM: its expected rating is that of the same weights in transformers."""

from __future__ import annotations

import warnings

import pytest
from judging import candidate, context

from ponder.orchestrator.engines.vllm import VLLMEngine
from ponder.orchestrator.models import embedded
from ponder.orchestrator.prompting import fenced, fill, question_of
from ponder.orchestrator.types import Query
from ponder.verifiers import ScalarJudge

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
SHORT = "{question}{response}{scale}"
QUERY = Query.ask("(7+8)*3=")
TEXTS = ("7+8=15\n15*3=45\n", "7+8=16\n", "45")


async def test_its_rating_is_that_of_transformers(abacus_generator: VLLMEngine) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = embedded.abacus_generator()
        model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    judge = ScalarJudge(labels_prompt=SHORT, least_mass=0)
    ctx = context({"generator": abacus_generator})
    judged = await ctx.score(QUERY, [candidate(text, i) for i, text in enumerate(TEXTS)], judge)
    door, digits = ctx._judging(judge), [str(digit) for digit in range(1, 10)]
    for text, each in zip(TEXTS, judged, strict=True):
        shown = {"question": fenced(question_of(QUERY), door), "response": fenced(text, door)}
        prompt = fill(SHORT, **shown, scale=f"{', '.join(digits)}, from worst to best")
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            chances = model(ids).logits[0, -1].softmax(-1)[tokenizer.convert_tokens_to_ids(digits)]
        expected = (chances / chances.sum() * torch.arange(9) / 8).sum().item()
        assert each.scores[judge.name].value == pytest.approx(expected, abs=1e-3)
        assert each.scores[judge.name].usage.prompt_tokens == ids.shape[1]
    assert len({round(each.scores[judge.name].value or 0, 3) for each in judged}) == 3


async def test_a_model_that_cannot_rate_gives_no_rating(abacus_generator: VLLMEngine) -> None:
    judge = ScalarJudge(form="written", votes=2, max_tokens=8, prompt=SHORT + "{code}")
    (judged,) = await context({"generator": abacus_generator}).score(QUERY, [candidate(TEXTS[0])], judge)
    score = judged.scores[judge.name]
    assert (score.value, score.detail) == (None, "0 of 2 votes valid")
    assert score.usage.verifier_calls == 2
