"""Where the program stands in what a model wrote: the block that defines what is called, whatever follows it."""

import pytest
from judging import candidate, context

from ponder.orchestrator.code_tests import CallTest, CheckTest
from ponder.orchestrator.types import Query
from ponder.verifiers import PythonCode
from ponder.verifiers.programs.fenced_code import program_in

NAMED = "def f(n):\n    return n + 1\n"
USED = "print(f(1))\n"
FENCED = 'def f(n):\n    return """\n```\n"""\n'


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (f"```python\n{NAMED}```\nTry:\n```python\n{USED}```\n", NAMED),
        (f"```\n{USED}```\n```\nf: Callable = g\n```\n```\nf == 2\n```\n", "f: Callable = g\n"),
        (f"```\nasync def f(n): 1\n```\n```\n{NAMED}```\n```\ndef ff(n): 1\n```\n", NAMED),
        (f"```\n{USED}```\n```\nx = 1\n```\n", "x = 1\n"),
        (f"~~~python\n{NAMED}~~~\n", NAMED),
        (f"````python\n{FENCED}````\n", FENCED),
        (f"~~~\n```\n{NAMED}~~~\n", f"```\n{NAMED}"),
        (f"```python\n{NAMED}`````\nDone.", NAMED),
        (f"```python``` is what I write.\n```\n{NAMED}```\n", NAMED),
    ],
)
def test_the_last_block_that_defines_what_is_called_is_the_program(text, program):
    assert program_in(text, "f") == program


async def test_an_example_of_its_use_after_the_program_is_not_the_program():
    text = f"```python\n{NAMED}```\nFor example:\n```python\n{USED}```\n"
    call = CallTest(function="f", args=(1,), result=2)
    check = CheckTest(code="def check(candidate):\n    assert candidate(1) == 2", entry_point="f")
    for test in (call, check):
        query = Query.ask("Write it.").model_copy(update={"tests": (test,)})
        (score,) = await PythonCode().score(query, [candidate(text)], context())
        assert score.value == 1
        assert await PythonCode().outputs(query, [candidate(text)], ["[4]"], context()) == [["5"]]
