"""Whole compositions with an engine that criticises, ranks, checks and fuses: what is asked, kept and spent."""

import re

import pytest
from answering import Answering

from ponder.orchestrator.archon import archon
from ponder.orchestrator.budget import Budget, amounts
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query

QUERY = Query.ask("Name an even number.")


def shown(prompt):
    return [text for _, text in re.findall(r"\[\d+\]\n(== \w+ ==)\n(.*?)\n\1", prompt, re.DOTALL)]


def reply(prompt):
    """A model that answers 3 at first and prefers, demands and fuses towards even numbers."""
    count = len(shown(prompt))
    if "tell its strengths" in prompt:
        return "\n".join(f"[{i}]\nStrengths: a number.\nWeaknesses: none." for i in range(1, count + 1))
    if "Order all responses" in prompt:
        return " > ".join(
            f"[{i}]" for i in sorted(range(1, count + 1), key=lambda i: not shown(prompt)[i - 1].startswith("4"))
        )
    if "Write up to" in prompt:
        return '["It is a number.", "It is even."]'
    if "For each unit test" in prompt:
        even = "\n4\n" in prompt
        return f"Unit Test #1: [Passed]\nUnit Test #2: [{'Passed' if even else 'Failed'}]"
    if "Do not give a verdict" in prompt:
        return "A number is claimed, and is one."
    if "[Correct] or [Incorrect]" in prompt:
        return "[Correct]" if "\n4\n" in prompt else "[Incorrect]"
    if "Write one answer" in prompt:
        return "4" if any(text.startswith("4") for text in shown(prompt)) or count > 1 else "5"
    return "3"


async def played(pipeline, budget=Budget(), engine=None):
    engine = engine or Answering(reply)
    async with Runtime({"generator": engine}) as runtime:
        estimate = await runtime.estimate(pipeline, QUERY)
        return await runtime.run(pipeline, QUERY, budget), estimate, engine


PIPELINES = {
    "plain": archon(samples=3, max_tokens=200),
    "deep": archon(samples=3, fusers=(3, 2), max_tokens=200),
    "verifier": archon(samples=3, fusers=(3,), check="verifier", max_tokens=200),
    "unit tests": archon(samples=3, fusers=(3,), check="unit_tests", keep=2, max_tokens=200),
    "uncritical": archon(samples=4, fusers=(3,), check="unit_tests", criticised=False, keep=1, max_tokens=200),
}


@pytest.mark.parametrize("name", PIPELINES)
async def test_it_answers_and_spends_what_was_estimated(name):
    result, estimate, _ = await played(PIPELINES[name])
    assert (result.text, result.stopped, result.failures) == ("4", "done", 0)
    for low, value, high in zip(amounts(estimate.least), amounts(result.usage), amounts(estimate.most), strict=True):
        assert low <= value <= high


@pytest.mark.parametrize("name", PIPELINES)
async def test_at_every_number_of_calls_there_is_an_answer(name):
    whole = (await played(PIPELINES[name]))[0].usage.calls
    calls = []
    for limit in range(1, whole + 1):
        result, _, engine = await played(PIPELINES[name], Budget(calls=limit))
        assert result.candidates
        assert result.usage.calls == len(engine.prompts) <= limit
        calls.append(result.usage.calls)
    assert calls == sorted(calls)
    assert calls[-1] == whole


async def test_critiques_reach_the_ranker_and_the_fuser_they_were_written_for_and_no_other():
    _, _, engine = await played(archon(samples=2, fusers=(3,), max_tokens=200))
    asked = [prompt for prompt in engine.prompts if "Order all" in prompt or "Write one answer" in prompt]
    assert all(prompt.count("Critique:") == len(shown(prompt)) for prompt in asked)
    critics = [prompt for prompt in engine.prompts if "tell its strengths" in prompt]
    assert all("Critique:" not in prompt for prompt in critics)


@pytest.mark.parametrize(
    "broken", ["tell its strengths", "Order all", "Write up to", "For each unit test", "Write one answer"]
)
@pytest.mark.parametrize("how", [None, "nonsense"])
async def test_one_broken_block_costs_its_own_part(broken, how):
    engine = Answering(lambda prompt: how if broken in prompt else reply(prompt))
    result, _, _ = await played(PIPELINES["unit tests"], engine=engine)
    assert result.candidates
    assert result.stopped == "done"
    assert result.failures or broken == "Write one answer"
