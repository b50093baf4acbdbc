"""Programs that lie about what they do: none is believed, and the honest program beside them is."""

import pytest
from forged_verdicts import FORGERIES, PRINTED
from judging import candidate, context

from ponder.orchestrator.code_tests import CallTest, CheckTest, StdinTest
from ponder.orchestrator.types import Query, Score
from ponder.verifiers.python_code import PythonCode
from ponder.verifiers.sandbox import Limits

VERIFIER = PythonCode(limits=Limits(wall_s=3, cpu_s=1))
HONEST = "def add(a, b):\n    return a + b\n"
CHECK = """
def check(candidate):
    assert candidate(1, 2) == 3
    total = candidate(0, 3)
    assert total == 3 and 3 == total
    assert not candidate(2, 1) != 3
"""
CALLED = (
    CheckTest(code=CHECK, entry_point="add"),
    CallTest(function="add", args=(1, 2), result=3),
    CallTest(function="add", args=(1, 2), result=3, absolute=0.1),
)
READ = (StdinTest(stdin="1\n2\n", stdout="3\n"), StdinTest(stdin="0\n3\n", stdout="3"))


async def score(program: str, tests: tuple, verifier: PythonCode = VERIFIER) -> Score:
    query = Query.ask("Add.").model_copy(update={"tests": tests})
    return (await verifier.score(query, [candidate(program)], context()))[0]


def test_there_are_enough_of_them():
    assert len(FORGERIES) + len(PRINTED) >= 50


@pytest.mark.parametrize("trick", FORGERIES)
async def test_no_lie_of_a_called_program_is_believed(trick):
    judged = await score(FORGERIES[trick], CALLED)
    assert judged.value == 0 and not any(judged.steps), judged.detail


@pytest.mark.parametrize("trick", PRINTED)
async def test_no_lie_of_a_program_that_prints_is_believed(trick):
    judged = await score(PRINTED[trick], READ)
    assert judged.value == 0 and judged.steps == (0, 0), judged.detail


async def test_honest_programs_are_believed():
    assert (await score(HONEST, CALLED)).steps == (1,) * 5
    assert (await score("print(int(input()) + int(input()))", READ)).steps == (1, 1)


@pytest.mark.parametrize(
    ("returned", "wanted"),
    [("True", 1), ("1.0", 1), ("1", True), ("(1,)", [1]), ("[1]", (1,)), ("{1}", frozenset({1}))],
)
async def test_a_call_is_compared_in_its_type(returned, wanted):
    judged = await score(f"def f(): return {returned}", (CallTest(function="f", result=wanted),))
    assert judged.value == 0


async def test_a_check_compares_as_python_does():
    check = CheckTest(code="def check(candidate):\n    assert candidate() == 1", entry_point="f")
    assert (await score("def f(): return True", (check,))).value == 1
    assert (await score("def f(): return 1.0", (check,))).value == 1


async def test_a_program_cannot_reach_what_the_check_holds():
    code = "def check(candidate):\n    given = [1, 2]\n    assert candidate(given) == 9\n    assert given == [1, 2]"
    program = "def f(x):\n    x.clear()\n    x.append(9)\n    return x"
    assert (await score(program, (CheckTest(code=code, entry_point="f"),))).steps == (0, 1)


@pytest.mark.parametrize("second", ["candidate()", "first"])
async def test_a_value_that_keeps_the_check_busy_fails_it(second):
    code = (
        f"def check(candidate):\n    first = candidate()\n    assert first == 1\n    assert sum(range({second})) == 0"
    )
    judged = await score("def f(): return 2**40", (CheckTest(code=code, entry_point="f", is_public=True),))
    assert judged.steps == (0, 0) and "the check came to timeout on what the program returned" in judged.detail
