"""Mathematical grading: gold first, no hang, no guess."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from judging import judge, judged
from pydantic import ValidationError

from ponder.verifiers import MathAnswer
from ponder.verifiers.child_processes.math_pool import math_pool

HOSTILE = [
    "$9^{9^{9^9}}$",
    "$(1+x)^{1000000}$",
    "$2^{10^{10}}$",
    "(" * 3000 + "5" + ")" * 3000,
    r"\boxed{" + "(" * 50 + "5" + ")" * 50 + "}",
    r"\boxed{\sum_{i=1}^{10^{12}} \frac{1}{i^3}}",
    r"\boxed{" + "1" * 5000 + "}",
    r"\boxed{100000!!!!}",
]


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("5", "the answer is 5", 1.0),
        ("5", "5.0", 1.0),
        ("5", "6", 0.0),
        ("5", r"\boxed{--5}", 1.0),
        (r"\frac{1}{2}", r"\boxed{\dfrac{2}{4}}", 1.0),
        (r"\frac13", "0.333333", 1.0),
        ("1,000", r"\boxed{1\,000}", 1.0),
        ("1<x<2", r"\boxed{(1,2)}", 1.0),
        ("(1,2)", r"\boxed{1<x<2}", 0.0),
        ("x=5", "5", 1.0),
        ("5", "$y=5$", 1.0),
        ("x=5", r"\boxed{y=5}", 0.0),
        ("50", r"$50\%$", 1.0),
        (r"50\%", "0.5", 1.0),
        ("50", "0.5", 0.0),
        ("Tuesday", r"\boxed{\text{Tuesday}}", 1.0),
        ("Tuesday", r"\boxed{\text{Friday}}", 0.0),
        ("(x+1)^2", r"\boxed{x^2+2x+1}", 1.0),
        (r"We get $7 \cdot 6$, so \boxed{42}.", "#### 42", 1.0),
        ("5", "I cannot say, sorry", 0.0),
        ("5", "", 0.0),
        ("5", r"\boxed{\frac{}", 0.0),
    ],
)
def test_gold_first(gold: str, answer: str, value: float) -> None:
    assert judge(MathAnswer(cpu_s=10), [answer], gold) == [value]


@pytest.mark.parametrize("reference", [None, "", "  "])
def test_without_a_reference_it_cannot_tell(reference: str | None) -> None:
    (score,) = asyncio.run(judged(MathAnswer(), ["5"], reference))
    assert (score.value, score.detail) == (None, "the query has no reference answer")


def test_hostile_answers_are_not_judged_and_do_not_hang() -> None:
    judge(MathAnswer(), [r"\boxed{x+1}"], "1+x")
    began = time.monotonic()
    scores = asyncio.run(judged(MathAnswer(cpu_s=0.3), HOSTILE, r"\sqrt{5}"))
    assert time.monotonic() - began < 30
    assert [score.value for score in scores] == [None] * len(HOSTILE)
    assert all(score.detail for score in scores)
    assert len(math_pool().process_ids()) <= 2
    assert judge(MathAnswer(cpu_s=10), [r"\boxed{x+1}"], "1+x") == [1.0]


EASY = """
import sys
sys.path.insert(0, {here!r})
from judging import judge
from ponder.verifiers import MathAnswer
from ponder.verifiers.child_processes.math_pool import math_pool
print(judge(MathAnswer(), ["5.0", "6", "no answer", "\\\\boxed{{10/2}}", "(" * 99 + "5" + ")" * 99], "5"))
print(math_pool().process_ids())
"""


def test_what_the_spelling_decides_costs_no_process() -> None:
    code = EASY.format(here=str(Path(__file__).parent))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[1.0, 0.0, 0.0, 1.0, None]", "[]"]


def test_permuting_candidates_permutes_scores() -> None:
    texts = ["5", r"\boxed{\sqrt{25}}", "6", "", r"\boxed{x}", "5"]
    scores = judge(MathAnswer(cpu_s=10), texts, "5")
    assert scores == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert judge(MathAnswer(cpu_s=10), texts[::-1], "5") == scores[::-1]


def test_off_the_main_thread_and_on_many_loops() -> None:
    found: list[list[float | None]] = []
    texts = [r"\boxed{\frac{x}{2}}", r"\boxed{x}"]
    threads = [
        threading.Thread(target=lambda: found.append(judge(MathAnswer(cpu_s=10), texts, "0.5x"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1.0, 0.0]] * 8


def test_it_is_recorded_and_needs_a_reference() -> None:
    assert MathAnswer().is_recorded
    assert MathAnswer().needs_reference
    assert MathAnswer().name == "math_answer"


@pytest.mark.parametrize("cpu_s", [0, -1, 61, float("nan"), float("inf")])
def test_bad_limits_are_refused(cpu_s: float) -> None:
    with pytest.raises(ValidationError):
        MathAnswer(cpu_s=cpu_s)


WITHOUT = """
import sys
sys.modules["math_verify"] = None
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.strategies import BestOfN, SelfConsistency, Vote
from ponder.verifiers import ExactMatch, MathAnswer, SymbolicAnswer
symbolic = SymbolicAnswer()
for strategy, shape in (
    (BestOfN(verifier=MathAnswer()), Shape()),
    (BestOfN(verifier=ExactMatch(answer=symbolic)), Shape()),
    (BestOfN(verifier=ExactMatch(), weighted=True, answer=symbolic), Shape()),
    (SelfConsistency(answer=symbolic), Shape()),
    (Vote(answer=symbolic), Shape(1, 2)),
):
    try:
        strategy.infer(shape, Plan())
    except UsageError as error:
        print(error)
BestOfN(verifier=ExactMatch(), answer=symbolic).infer(Shape(), Plan())
"""


def test_mathematics_without_its_package_is_refused_before_anything_is_drawn():
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    remedy = 'mathematical answers need math-verify, which is not installed; pip install "ponder[math]"'
    assert said.splitlines() == [remedy] * 5
