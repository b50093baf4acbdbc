"""Programs judged by a check: what counts as a test, how each went, and when the check itself is to blame."""

import pytest
from judging import candidate, context

from ponder.orchestrator.code_tests import CheckTest
from ponder.orchestrator.types import Query, Score
from ponder.verifiers import PythonCode
from ponder.verifiers.sandbox import Limits

QUICK = PythonCode(limits=Limits(wall_s=5, cpu_s=1))
WHOLE = PythonCode(credit="whole", limits=QUICK.limits)


async def score(program: str, test: CheckTest, verifier: PythonCode = QUICK) -> Score:
    query = Query.ask("Write it.").model_copy(update={"tests": (test,)})
    return (await verifier.score(query, [candidate(program)], context()))[0]


CHECK = """
import random
GIVEN = random.random()

def near(a, b):
    assert abs(a - b) < 1e-6, "far"

def check(candidate):
    assert candidate(1) == 1
    for n in (2, 3):
        near(candidate(n), n)
    first = candidate(4)[0]
    assert first == 4
    assert False
"""


@pytest.mark.parametrize(
    ("program", "steps"),
    [
        ("def f(n): return n", (1, 1, 1, 0, 0)),
        ("def f(n): return n if n < 4 else [n]", (1, 1, 1, 1, 0)),
        ("def f(n): return n if n != 2 else 5", (1, 0, 1, 0, 0)),
        ("def f(n): return n if n < 2 else None", (1, 0, 0, 0, 0)),
        ("def f(n): return {1: 1, 3: 3}[n]", (1, 0, 0, 0)),
        ("def f(n): return {2: 2, 3: 3, 4: [4]}[n]", (0, 1, 1, 1, 0)),
    ],
)
async def test_each_assert_that_runs_is_a_test_and_an_error_elsewhere_fails_the_rest(program, steps):
    assert (await score(program, CheckTest(code=CHECK, entry_point="f"))).steps == steps


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "assert True",
        "if candidate() != 1: raise ValueError",
        "assert True\n    candidate()",
        "assert 1 + 1 == 2\n    candidate()",
        "for value in []:\n        assert candidate() == value",
    ],
)
async def test_a_check_that_asserts_nothing_of_the_program_is_no_verdict(body):
    for verifier in (QUICK, PythonCode(credit="whole")):
        test = CheckTest(code=f"def check(candidate):\n    {body}", entry_point="f")
        found = await score("def f(): return 1", test, verifier=verifier)
        assert found.value is None and "the check asserts nothing" in found.detail


async def test_asserts_that_any_program_passes_are_no_tests():
    code = """
def check(candidate):
    assert True, "prints if this assert fails"
    given = 1 + 1
    assert given == 2
    assert candidate(1) == 1
    assert True
    value = candidate(2)
    assert value == 2
    assert given == 2
"""
    test = CheckTest(code=code, entry_point="f")
    assert (await score("def f(n): return n", test)).steps == (1, 1, 1)
    assert (await score("def f(n): return 1", test)).steps == (1, 0, 1)
    assert (await score("def f(n): return {1: 0}[n]", test)).steps == (0, 0, 0)


IMPORTS = """
def equal(a, b):
    import no_such_module

def check(candidate):
    assert candidate(1) == 1
    {}
"""


@pytest.mark.parametrize("line", ["import no_such_module", "assert equal(candidate(1), 1)", "from math import nothing"])
async def test_a_check_whose_own_import_fails_is_broken_and_no_program_is_wrong(line):
    test = CheckTest(code=IMPORTS.format(line), entry_point="f")
    for program in ("def f(n): return n", "def f(n): return 0"):
        found = await score(program, test)
        assert found.value is None and "a check must define check(candidate) and run, but: " in found.detail
    missing = await score("def f(n): import no_such_module", CheckTest(code=CHECK, entry_point="f"))
    assert missing.steps == (0, 0, 0, 0)


async def test_a_check_sees_the_errors_that_it_expects():
    code = """
def check(candidate):
    try:
        candidate(-1)
    except ValueError as error:
        assert str(error) == "below"
    else:
        assert False
"""
    test = CheckTest(code=code, entry_point="f")
    assert (await score("def f(n): raise ValueError('below')", test)).steps == (1,)
    assert (await score("def f(n): return n", test)).steps == (0,)
    assert (await score("class ValueError(Exception): pass\ndef f(n): raise KeyError('below')", test)).value == 0


@pytest.mark.parametrize(
    "code",
    [
        "x = 1",
        "def check(candidate): assert candidate(object())",
        "import no_such_module\ndef check(candidate): assert candidate(1)",
        "def check(candidate):\n    assert 1 == 2\n    assert candidate(1)",
        "def check(candidate):\n    x = 1 / 0\n    assert candidate(1)",
    ],
)
async def test_a_check_that_no_program_could_pass_is_no_verdict(code):
    found = await score("def f(n): return n", CheckTest(code=code, entry_point="f"))
    assert found.value is None and "a check must define check(candidate) and run" in found.detail


@pytest.mark.parametrize("error", ["1 / 0", "while value: pass", "__import__('os')._exit(0)"])
async def test_each_assert_never_reached_fails_once_however_the_check_ended(error):
    code = f"""
assert True
def check(candidate):
    value = candidate()
    for _ in range(2):
        assert value
    {error}
    assert value
    assert value
"""
    test = CheckTest(code=code, entry_point="f")
    assert (await score("def f(): return 1", test)).steps == (1, 1, 0, 0)
    assert (await score("def f(): return 1", test, WHOLE)).steps == (1, 1, 0)


@pytest.mark.parametrize("misused", ["raise ValueError(candidate())", "getattr(1, candidate())"])
async def test_text_that_utf8_cannot_hold_in_an_error_of_the_check_fails_that_program_alone(misused):
    check = CheckTest(code=f"def check(candidate):\n    {misused}\n    assert candidate()", entry_point="f")
    assert (await score("def f(): return '\\udc80'", check)).value == 0


async def test_an_error_whose_text_utf8_cannot_hold_is_the_error_that_it_is():
    code = "def check(candidate):\n    try: candidate()\n    except ValueError: return\n    assert False"
    check = CheckTest(code=code, entry_point="f")
    assert (await score("def f(): raise ValueError('\\udc80')", check)).value == 1


async def test_a_check_that_ends_by_itself_before_any_answer_is_no_verdict():
    check = CheckTest(code="def check(candidate):\n    while True: pass\n    assert candidate()", entry_point="f")
    assert (await score("def f(): return 1", check)).value is None
