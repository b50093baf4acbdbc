"""The first stage that is accepted ends the cascade; what was rejected is the last resort."""

import subprocess
import sys

import pytest
from answering import Answering, in_turn
from making import ByTable, Failing, context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.pipeline_file import load, save, to_text
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies import STRATEGIES
from ponder.strategies.cascade import Cascade
from ponder.strategies.sample import Sample
from ponder.verifiers import ExactMatch

QUERY = Query.ask("Which?")
TABLE = ByTable(table={"poor": 0.2, "fair": 0.5, "good": 0.9})
STAGES = (Sample(n=1), Sample(n=2), Sample(n=3))


def cascade(*thresholds, stages=STAGES, verifier=TABLE):
    return Cascade(stages=stages, verifier=verifier, thresholds=thresholds or (0.5, 0.5))


async def run(strategy, *texts, **knobs):
    engine = Answering(in_turn(*texts))
    return [c.text for c in await strategy.run(QUERY, [], context(engine, **knobs))], len(engine.prompts)


async def test_it_stops_at_the_first_stage_that_is_accepted():
    assert await run(cascade(), "good") == (["good"], 1)
    assert await run(cascade(), "poor", "good", "poor") == (["good", "poor"], 3)


async def test_a_score_on_the_threshold_is_accepted():
    assert await run(cascade(0.5, 0.9), "fair") == (["fair"], 1)
    assert (await run(cascade(0.6, 0.9), "fair", "fair", "fair", "poor"))[1] == 6


async def test_the_last_stage_is_not_judged():
    assert await run(cascade(), "poor", "poor", "poor", "unknown") == (["unknown"] * 3, 6)


async def test_only_the_best_candidate_of_a_stage_is_judged():
    assert await run(cascade(), "poor", "poor", "good", "last") == (["last"] * 3, 6)


async def test_what_cannot_be_judged_is_not_accepted():
    assert (await run(cascade(verifier=Failing()), "good"))[1] == 6
    broken = Failing(on="good")
    assert await run(cascade(0.4, 0.4, verifier=broken), "good", "fair") == (["fair", "fair"], 3)


async def test_rejected_candidates_come_back_where_later_stages_give_none():
    assert (await run(cascade(0.6, 0.6), "poor", "fair", "poor", None))[0] == ["fair", "poor", "poor"]
    assert (await run(cascade(0.6, 0.6), "poor", "poor", "fair", None))[0] == ["poor", "poor", "fair"]


async def test_a_stage_without_candidates_is_passed_over():
    assert await run(cascade(), None, "good") == (["good", "good"], 3)


async def test_a_budget_that_ends_leaves_what_there_is():
    assert await run(cascade(0.6, 0.6), "fair", "poor", budget=Budget(calls=1)) == (["fair"], 1)
    assert await run(cascade(0.6, 0.6), "fair", "poor", budget=Budget(calls=2)) == (["fair", "poor"], 2)


def test_thresholds_are_one_fewer_than_stages():
    with pytest.raises(ValidationError, match="one a stage but the last, so 2, got 1; give 2"):
        cascade(0.5)


def test_only_the_first_stage_is_certain():
    plan = Plan()
    shape = cascade().infer(Shape(), plan)
    assert (shape.fewest, shape.most, shape.scored_by) == (1, 3, frozenset())


def test_a_stage_that_cannot_work_is_named():
    plan = Plan(node="cascade")
    with pytest.raises(ShapeError, match=r"node 'cascade\.0': sample draws from the query"):
        cascade().infer(Shape(1, 1), plan)


def test_it_comes_back_from_a_file_with_its_stages(tmp_path):
    inner = Cascade(stages=(Sample(n=1), Sample(n=2)), verifier=ExactMatch(), thresholds=(0.5,))
    outer = cascade(0.5, stages=(inner, Pipeline.series(Sample(n=2))), verifier=ExactMatch())
    pipeline = Pipeline.series(outer, name="nested", engines={"generator": SimulatedSpec()})
    save(pipeline, tmp_path / "nested.toml")
    assert load(tmp_path / "nested.toml") == pipeline
    assert "stages=(cascade stages=sample,(sample n=2)" in to_text(pipeline)


def test_stages_are_tables_that_may_be_pipelines():
    stages = (Sample(n=1), Pipeline.series(Sample(n=2)))
    strategy = cascade(0.5, stages=stages, verifier=ExactMatch())
    again = STRATEGIES.build(strategy.model_dump(mode="json"))
    assert again == strategy
    assert isinstance(again.stages[1], Pipeline)
    assert strategy.engine_names() == ("generator",)


TABLES = """
import sys
from ponder.strategies import Cascade
table = {"kind": "cascade", "stages": ({"kind": "sample"}, %s), "verifier": {"kind": "exact_match"}, "thresholds": (1,)}
print(Cascade.model_validate(table).stages[1].kind, "ponder.orchestrator.pipeline" in sys.modules)
"""


def told(program: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()


def test_stages_are_built_from_tables_without_what_stands_above() -> None:
    assert told(TABLES % '{"kind": "sample"}') == ["sample", "False"]
    inner = '{"kind": "pipeline", "nodes": ({"name": "a", "strategy": {"kind": "sample"}},)}'
    assert told("import ponder.orchestrator.pipeline" + TABLES % inner) == ["pipeline", "True"]
