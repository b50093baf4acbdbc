"""An attempt's answer as a program: what it prints and what it passes."""

import pytest
from judging import candidate, context, judged

from ponder.orchestrator.types import Query
from ponder.verifiers import VERIFIERS, SimulatedCode

QUERY = Query.ask("?", reference="7")


async def test_a_program_passes_the_tests_whose_remainders_it_shares():
    scores = await judged(SimulatedCode(tests=(2, 3)), ["answer: 7", "answer: 9", "8", "1", "none"], "7")
    assert [score.steps for score in scores] == [(1, 1), (1, 0), (0, 0), (1, 1), (0, 0)]
    assert [score.value for score in scores] == [1, 0.5, 0, 1, 0]


async def test_without_a_reference_nothing_is_known():
    assert [score.value for score in await judged(SimulatedCode(), ["7"], None)] == [None]
    assert SimulatedCode().needs_reference


@pytest.mark.parametrize("crash", ["0", "-1", "x", "", "9" * 99])
async def test_a_program_prints_a_remainder_or_crashes(crash):
    runs = [(candidate("answer: 7"), ["4", crash]), (candidate("none"), ["4"])]
    assert await context().execute(QUERY, runs, SimulatedCode()) == [["3", None], [None]]


def test_it_is_data():
    assert VERIFIERS.build({"kind": "simulated_code", "tests": [5]}) == SimulatedCode(tests=(5,))
