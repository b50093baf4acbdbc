"""A whole ranking is followed, anything else changes nothing, and no place in the prompt is favoured."""

import re
from collections import Counter

import pytest
from answering import Answering
from making import candidate, context

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.ranker import Ranker

QUERY = Query.ask("Which?")
THREE = [candidate("1", i, text=text) for i, text in enumerate(["middling", "best", "worst"])]


def shown(prompt: str) -> list[str]:
    """The responses of a prompt, in the order shown."""
    return [text for _, text in re.findall(r"\[\d+\]\n(== \w+ ==)\n(.*?)\n\1", prompt, re.DOTALL)]


def oracle(prompt: str) -> str:
    places = {text.split("\n")[0]: i for i, text in enumerate(shown(prompt), 1)}
    return " > ".join(f"[{places[text]}]" for text in ("best", "middling", "worst"))


async def texts(ranker, answer, candidates=THREE, seed=0):
    ctx = context(Answering(answer), seed=seed)
    return [c.text for c in await ranker.run(QUERY, candidates, ctx)], ctx._run


@pytest.mark.parametrize("seed", range(8))
async def test_the_order_shown_is_undone(seed):
    assert (await texts(Ranker(), oracle, seed=seed))[0] == ["best", "middling", "worst"]
    assert (await texts(Ranker(keep=1), oracle, seed=seed))[0] == ["best"]


async def test_neither_the_order_that_came_in_nor_the_task_changes_what_is_asked():
    prompts = []
    for order, task in ((THREE, "one"), (THREE[::-1], "one"), (THREE, "other")):
        engine = Answering(oracle)
        ctx = context(engine)
        ctx._run.task = task
        await Ranker().run(QUERY, order, ctx)
        prompts += engine.prompts
    assert len(set(prompts)) == 1


async def test_a_judge_who_likes_the_first_favours_nobody():
    firsts = [(await texts(Ranker(), lambda _: "[1] > [2] > [3]", seed=seed))[0][0] for seed in range(90)]
    assert all(15 <= times <= 45 for times in Counter(firsts).values())
    assert len(set(firsts)) == 3


async def test_without_shuffling_a_judge_who_agrees_changes_nothing():
    assert (await texts(Ranker(shuffle=False), lambda _: "[1] > [2] > [3]"))[0] == ["middling", "best", "worst"]


@pytest.mark.parametrize("reply", ["[1] > [1] > [2]", "[2] > [1]", "I prefer [2]\n[2] > [1] > [3]", "[4] > [1] > [2]"])
async def test_no_whole_ranking_keeps_every_candidate_in_its_order(reply):
    found, run = await texts(Ranker(), lambda _: reply)
    assert found == ["middling", "best", "worst"]
    assert run.failures == 1
    assert "an order of all 3 responses" in run.reason


async def test_a_call_that_fails_keeps_the_order():
    assert (await texts(Ranker(keep=2), lambda _: None))[0] == ["middling", "best"]


async def test_one_candidate_or_none_costs_no_call():
    for few in ([], THREE[:1]):
        engine = Answering(oracle)
        assert await Ranker().run(QUERY, few, context(engine)) == few
        assert engine.prompts == []


async def test_critiques_are_shown():
    engine = Answering(oracle)
    await Ranker().run(QUERY, [THREE[0].with_critique("shallow"), *THREE[1:]], context(engine))
    assert "middling\n\nCritique:\nshallow" in shown(engine.prompts[0])


def test_there_must_be_candidates_and_keep_bounds_them():
    with pytest.raises(ShapeError, match="ranker works on candidates"):
        Ranker().infer(Shape(), Plan())
    assert Ranker(keep=2).infer(Shape(1, 5), Plan()).most == 2
