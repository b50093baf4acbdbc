"""Programs are told apart by what they put out, judged in both orders, and only where they differ."""

import re

import pytest
from answering import Answering
from making import candidate, context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.output_clusters import SHOWN, clustered, differences
from ponder.strategies.select_by_execution import SelectByExecution
from ponder.verifiers import SimulatedCode

QUERY = Query.ask("Which?", reference="7")
EASY = SimulatedCode(tests=(6,))
SELECT = SelectByExecution(executor=EASY)


def programs(*numbers):
    return [candidate(None, i, text=f"answer: {number}") for i, number in enumerate(numbers)]


def kind_of(prompt):
    return "judge" if "Inputs and outputs:" in prompt else "telling" if "two programs" in prompt else "inputs"


def engine_of(judge=lambda first, second: "[Tie]", inputs='["10"]', telling='["100"]'):
    def answer(prompt):
        if kind_of(prompt) != "judge":
            return telling if kind_of(prompt) == "telling" else inputs
        return judge(*re.findall(r"\nanswer: (\d+)\n", prompt)[:2])

    return Answering(answer)


def prefers(number):
    return lambda first, second: "[1]" if first == number else "[2]" if second == number else "[Tie]"


async def selected(given, engine, strategy=SELECT, **knobs):
    found = await strategy.run(QUERY, given, context(engine, **knobs))
    scores = [c.scores.get("select_by_execution") for c in found]
    return [int(c.text.split()[-1]) for c in found], [s and s.value for s in scores], map(kind_of, engine.prompts)


async def test_the_cluster_that_wins_comes_first_with_all_its_members():
    given = programs(1, 13, 7, 67)
    numbers, shares, asked = await selected(given, engine_of(prefers("13"), inputs='["10"]'))
    assert numbers == [13, 7, 67, 1]
    assert shares == [1.0, 0.25, 0.25, 0.25]
    assert [*asked].count("judge") == 6


async def test_an_oracle_finds_the_right_program_wherever_it_stands():
    for order in ([1, 13, 7], [7, 1, 13], [13, 7, 1]):
        assert (await selected(programs(*order), engine_of(prefers("7"))))[0][0] == 7


async def test_equal_outputs_everywhere_cost_no_pair_call():
    numbers, shares, asked = await selected(programs(7, 67, 127), engine_of(inputs='["10", "20"]'))
    assert (numbers, shares, [*asked]) == ([7, 67, 127], [None] * 3, ["inputs"])


async def test_only_those_that_pass_most_public_tests_are_compared():
    numbers, _, asked = await selected(programs(8, 7, 13), engine_of(prefers("13")))
    assert numbers == [13, 7, 8]
    assert [*asked] == ["inputs", "telling", "judge", "judge"]
    assert (await selected(programs(8, 9), engine_of()))[0] == [8, 9]


async def test_a_judge_who_likes_the_first_leaves_the_order():
    numbers, shares, _ = await selected(programs(1, 13, 7), engine_of(lambda *_: "[1]"))
    assert (numbers, shares) == ([1, 13, 7], [0.0] * 3)


async def test_without_a_decision_the_larger_cluster_is_first():
    numbers, shares, _ = await selected(programs(1, 13, 103), engine_of(lambda *_: "cannot tell"))
    assert (numbers, shares) == ([13, 103, 1], [None] * 3)


async def test_a_larger_cluster_plays_no_more_matches():
    given = programs(13, 103, 43, 1)
    numbers, shares, asked = await selected(given, engine_of(prefers("1")))
    assert numbers[0] == 1
    assert shares == [1.0, 0.0, 0.0, 0.0]
    assert [*asked].count("judge") == 2


@pytest.mark.parametrize("inputs", ["no list", "[]", '["crash"]', None])
async def test_without_inputs_the_public_order_stands(inputs):
    numbers, _, asked = await selected(programs(1, 13), engine_of(inputs=inputs))
    assert (numbers, [*asked]) == ([1, 13], ["inputs"])


@pytest.mark.parametrize("telling", ["no list", None, '["12"]'])
async def test_inputs_that_tell_nothing_apart_leave_those_of_the_clusters(telling):
    engine = engine_of(prefers("13"), telling=telling)
    assert (await selected(programs(1, 13), engine))[0] == [13, 1]
    assert "Input: '10'\nOutput of [1]: '1'\nOutput of [2]: '3'" in engine.prompts[-2]
    assert "Input: '12'" not in engine.prompts[-2]


async def test_what_tells_them_apart_is_shown_first_in_both_orders():
    engine = engine_of(prefers("13"))
    await selected(programs(1, 103), engine)
    one, other = engine.prompts[-2:]
    assert one.index("Input: '100'") < one.index("Input: '10'")
    assert re.findall(r"\nanswer: (\d+)\n", one) == ["1", "103"]
    assert re.findall(r"\nanswer: (\d+)\n", other) == ["103", "1"]
    assert "Output of [1]: '3'\nOutput of [2]: '1'" in other


async def test_equal_texts_or_a_single_program_cost_no_call():
    for given in ([], programs(7), programs(7, 7)):
        engine = engine_of()
        assert len((await selected(given, engine))[0]) == len(given)
        assert engine.prompts == []


@pytest.mark.parametrize("calls", range(6))
async def test_a_budget_that_ends_leaves_every_program(calls):
    budget = Budget(calls=calls) if calls else Budget(total_tokens=1)
    assert sorted((await selected(programs(1, 13), engine_of(prefers("13")), budget=budget))[0]) == [1, 13]


def test_who_gives_no_output_is_in_no_cluster():
    one, two, three = programs(1, 2, 3)
    clusters = clustered([one, two, three], ["a", "b"], [["x", None], [None, None], ["x", None]])
    assert [(c.members, c.outputs) for c in clusters] == [((one, three), {"a": "x", "b": None})]


def test_a_table_shows_no_more_of_an_output_than_fits():
    table = differences({"i" * 999: "o" * 999}, {"i" * 999: "p" * 999}, 3)
    assert len(table.encode()) <= 3 * (SHOWN + 20)
    assert differences({"a": "x"}, {"a": "x"}, 3) == ""


def test_there_must_be_candidates():
    with pytest.raises(ShapeError, match="select_by_execution works on candidates"):
        SELECT.infer(Shape(), Plan())
    assert SELECT.infer(Shape(1, 2), Plan()).scored_by == {EASY.name}
