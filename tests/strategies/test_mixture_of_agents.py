"""Each layer sees the answers before it, a lost one costs itself alone, and the aggregator keeps its own sampling."""

import asyncio

import pytest
from answering import Answering, in_turn
from making import context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Message, Query
from ponder.strategies.mixture_of_agents import MixtureOfAgents
from ponder.strategies.sample import Sample

QUERY = Query.ask("Which?")
ONE = Sample(max_tokens=20)
LAST = Sample(temperature=0.3, max_tokens=30, engine="last")


def moa(*members, layers=1, aggregator=LAST):
    return MixtureOfAgents(members=members or (ONE,), layers=layers, aggregator=aggregator)


async def answered(strategy, generator, last=None, query=QUERY, **knobs):
    last = last or Answering(lambda _: "sum", "last")
    found = await strategy.run(query, [], context(generator, last=last, **knobs))
    return [c.text for c in found], last


async def test_one_proposer_in_one_layer_is_a_chain_of_two_calls():
    proposer = Answering(lambda _: "proposal")
    texts, last = await answered(moa(), proposer)
    assert texts == ["sum"]
    assert proposer.prompts == ["Which?"]
    assert len(last.prompts) == 1
    assert "\nproposal\n" in last.prompts[0]
    assert last.prompts[0].endswith("\nWhich?")


async def test_the_aggregator_draws_by_its_own_knobs():
    _, last = await answered(moa(), Answering(lambda _: "a"))
    assert [(s.temperature, s.max_tokens) for s in last.samplings] == [(0.3, 30)]


async def test_every_proposer_of_a_later_layer_sees_all_answers_of_the_one_before_and_no_others():
    proposer = Answering(in_turn("a1", "a2", "b1", "b2"))
    _, last = await answered(moa(Sample(n=1), Sample(n=1, temperature=0.5), layers=2), proposer)
    first, second = proposer.prompts[:2], proposer.prompts[2:]
    assert first == ["Which?"] * 2
    assert all("\na1\n" in prompt and "\na2\n" in prompt for prompt in second)
    assert len(second) == 2
    assert "\nb1\n" in last.prompts[0]
    assert "\na1\n" not in last.prompts[0]


async def test_a_proposer_that_fails_costs_one_reference():
    _, last = await answered(moa(Sample(n=3)), Answering(in_turn("a", None, "c")))
    assert "[2]" in last.prompts[0]
    assert "[3]" not in last.prompts[0]


async def test_without_references_the_question_is_put_plainly():
    texts, last = await answered(moa(Sample(n=2)), Answering(lambda _: None))
    assert (texts, last.prompts) == (["sum"], ["Which?"])


async def test_a_layer_that_fails_whole_leaves_the_one_before():
    _, last = await answered(moa(layers=2), Answering(in_turn("a", None)))
    assert "\na\n" in last.prompts[0]


async def test_without_the_aggregator_the_last_references_stand():
    dead = Answering(lambda _: None, "last")
    assert (await answered(moa(Sample(n=2)), Answering(lambda _: "a"), dead))[0] == ["a", "a"]
    assert (await answered(moa(Sample(n=2)), Answering(lambda _: "a"), budget=Budget(calls=2)))[0] == ["a", "a"]


async def test_the_proposers_of_a_layer_are_asked_at_once():
    active, most = 0, 0

    class Slow(Answering):
        async def complete(self, request):
            nonlocal active, most
            active, most = active + 1, max(most, active + 1)
            await asyncio.sleep(0.01)
            active -= 1
            return await super().complete(request)

    await answered(moa(ONE, ONE, Sample(n=2)), Slow(lambda _: "a"))
    assert most == 4


async def test_the_system_message_of_the_query_comes_first():
    query = Query(id="q", messages=(Message(role="system", content="Be brief."), *QUERY.messages))
    _, last = await answered(moa(), Answering(lambda _: "a"), query=query)
    assert last.prompts[0].startswith("Be brief.\n\nOther assistants")


async def test_several_aggregated_answers_can_be_asked_for():
    assert (await answered(moa(aggregator=LAST.model_copy(update={"n": 2})), Answering(lambda _: "a")))[0] == [
        "sum"
    ] * 2


def test_it_must_come_first():
    with pytest.raises(ShapeError, match="mixture_of_agents draws from the query and must come first"):
        moa().infer(Shape(1, 1), Plan())
    assert moa().engine_names() == ("generator", "last")
    assert moa(Sample(n=3)).infer(Shape(), Plan()).most == 3
