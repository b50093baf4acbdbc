"""S* draws, debugs and selects; what passes is not debugged, and what puts out the same is not compared."""

import pytest
from answering import Answering, in_turn
from making import context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.s_star import SStar
from ponder.strategies.sample import Sample
from ponder.strategies.select_by_execution import SelectByExecution
from ponder.strategies.self_debug import SelfDebug
from ponder.verifiers import ExactMatch, SimulatedCode

QUERY = Query.ask("Which?", reference="7")
CODE = SimulatedCode(tests=(6,))


async def run(strategy, *replies, **knobs):
    engine = Answering(in_turn(*replies))
    return [c.text for c in await strategy.run(QUERY, [], context(engine, **knobs))], engine.prompts


def s_star(n=2, rounds=1):
    return SStar(n=n, rounds=rounds, executor=CODE)


async def test_one_round_debugs_nothing():
    texts, prompts = await run(s_star(), "8", "9", '["2"]', "no list", "[1]", "[2]")
    assert texts == ["8", "9"]
    assert [prompt == "Which?" for prompt in prompts] == [True, True, False, False, False, False]


async def test_programs_that_pass_are_not_debugged_and_equal_outputs_are_not_compared():
    texts, prompts = await run(s_star(rounds=3), "7", "13", '["6", "3"]')
    assert texts == ["7", "13"]
    assert len(prompts) == 3


async def test_it_draws_debugs_and_selects():
    replies = ["1", "8", "13", '["10"]', '["100"]', "[2]", "[1]"]
    texts, prompts = await run(s_star(rounds=2), *replies)
    assert texts == ["13", "1"]
    assert len(prompts) == len(replies)
    assert prompts[2].count("\n8\n") == 1


async def test_no_prompt_grows_by_those_before_it():
    _, prompts = await run(s_star(n=4, rounds=3), "8")
    assert all(prompt.count("Which?") == 1 for prompt in prompts)


async def test_one_program_is_one_sample():
    drawn = await Sample(n=1, temperature=0.7, max_tokens=1024).run(QUERY, [], context(SimulatedSpec().open()))
    alone = await SStar(n=1, rounds=1, executor=CODE).run(QUERY, [], context(SimulatedSpec().open()))
    assert [(c.text, c.tokens) for c in alone] == [(c.text, c.tokens) for c in drawn]


async def test_prompts_and_the_engine_that_selects_can_be_replaced():
    prompts = {
        "debug_prompt": "DEBUG {question} {response} {feedback}",
        "inputs_prompt": "INPUTS {question} {count}",
        "distinguish_prompt": "APART {question} {responses} {count}",
        "judge_prompt": "JUDGE {question} {responses} {outputs}",
    }
    strategy = SStar(n=2, rounds=2, executor=CODE, judge="large", inputs=3, **prompts)
    assert strategy.engine_names() == ("generator", "large")
    small = Answering(in_turn("1", "8", "13"), "small")
    large = Answering(in_turn('["10"]', '["100"]', "[2]", "[1]"), "large")
    found = await strategy.run(QUERY, [], context(small, large=large))
    assert [each.text for each in found] == ["13", "1"]
    assert [said.split()[0] for said in small.prompts] == ["Which?", "Which?", "DEBUG"]
    assert [said.split()[0] for said in large.prompts] == ["INPUTS", "APART", "JUDGE", "JUDGE"]
    assert large.prompts[0] == "INPUTS Which? 3"
    with pytest.raises(ValidationError, match=r"add \{outputs\}"):
        SStar(executor=CODE, judge_prompt="JUDGE {question} {responses}")


def test_its_parts_are_asked_as_they_ask_alone():
    """So that S* is its two stages in a row, with all they can be told."""
    whole = s_star(rounds=3)
    alone = SelfDebug(verifier=CODE), SelectByExecution(executor=CODE)
    for part, other in zip((whole._debugging, whole._selecting), alone, strict=True):
        assert part.model_dump(exclude={"rounds"}) == other.model_dump(exclude={"rounds"})


async def test_a_budget_that_ends_leaves_the_programs_drawn():
    assert (await run(s_star(rounds=2), "8", "13", "never", budget=Budget(calls=2)))[0] == ["13", "8"]


def test_it_must_come_first_and_its_estimate_covers_all_pairs():
    with pytest.raises(ShapeError, match="s_star draws from the query and must come first"):
        s_star().infer(Shape(1, 1), Plan())
    plan = Plan({"generator": SimulatedSpec().open()}, {"generator": 10})
    shape = s_star(n=4, rounds=3).infer(Shape(), plan)
    assert (shape.most, shape.scored_by) == (4, {CODE.name})
    assert (plan.estimate.least.calls, plan.estimate.most.calls) == (4, 4 * 3 + 1 + 3 * 6)


def test_an_executor_must_run_things():
    with pytest.raises(ValidationError, match="instance of Executor"):
        SStar(executor=ExactMatch())
