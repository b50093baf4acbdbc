"""HumanEval judged in sandboxes as upstream judges it: no honest program refused, no wrong one let through."""

import asyncio
import sys
from pathlib import Path

import pytest
from judging import candidate, context
from upstream_humaneval import CPU_S, upstream_verdicts

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments"))
from flaws_study.mutants import mutants, right_program

from ponder.orchestrator.data.humaneval import humaneval_queries
from ponder.orchestrator.types import Query, Score
from ponder.verifiers.python_code import PythonCode
from ponder.verifiers.sandbox import Limits

pytestmark = pytest.mark.long
QUERIES = humaneval_queries()
WHOLE = PythonCode(credit="whole", limits=Limits(cpu_s=CPU_S, wall_s=60))


async def scored(verifier: PythonCode, programs: list[tuple[Query, str]]) -> list[Score]:
    """The score of each program on its own query, all asked for at once."""
    ctx = context()
    found = await asyncio.gather(*(verifier.score(query, [candidate(text)], ctx) for query, text in programs))
    return [scores[0] for scores in found]


async def test_every_canonical_solution_passes_every_assert():
    programs = [(query, query.reference or "") for query in QUERIES]
    scores = await scored(PythonCode(), programs)
    assert {query.id: score.detail for query, score in zip(QUERIES, scores, strict=True) if score.value != 1} == {}
    asserts = {query.id: len(score.steps) for query, score in zip(QUERIES, scores, strict=True)}
    assert [asserts[f"HumanEval/{n}"] for n in (0, 32, 38, 44, 53)] == [7, 100, 100, 12, 105]
    assert sum(asserts.values()) == 1534


async def test_mutants_are_judged_as_upstream_judges_them():
    changed = [(query, text) for query in QUERIES for text in mutants(query, 4)]
    right = [(query, right_program(query)) for query in QUERIES]
    upstream = await asyncio.to_thread(upstream_verdicts, changed + right)
    assert all(upstream[len(changed) :])
    fenced = [(query, f"Here it is:\n```python\n{text}\n```\n") for query, text in changed]
    ours = [score.value for score in await scored(WHOLE, fenced)]
    wrong = upstream[: len(changed)].count(False)
    assert wrong >= 500 and len(changed) - wrong >= 40
    pairs = zip(changed, ours, upstream[: len(changed)], strict=True)
    assert [(query.id, text, value) for (query, text), value, passes in pairs if value != float(passes)] == []
