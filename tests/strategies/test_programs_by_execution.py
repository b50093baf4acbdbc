"""Real programs, run in real sandboxes, told apart by what they return and mended by what their tests say."""

import re

from answering import Answering, in_turn
from making import candidate, context

from ponder.orchestrator.code_tests import CallTest
from ponder.orchestrator.types import Query
from ponder.strategies.select_by_execution import SelectByExecution
from ponder.strategies.self_debug import SelfDebug
from ponder.verifiers import PythonCode

TESTS = (
    CallTest(function="largest", args=([1, 2, 3],), result=3, is_public=True),
    CallTest(function="largest", args=([5],), result=5, is_public=True),
    CallTest(function="largest", args=([3, 1],), result=3),
)
QUERY = Query.ask("Write largest(numbers).").model_copy(update={"tests": TESTS})
EXECUTOR = PythonCode(tests="public")
LAST = "def largest(numbers):\n    return numbers[-1]"
LARGEST = "def largest(numbers):\n    return max(numbers)"
SORTED = "```python\ndef largest(numbers):\n    return sorted(numbers)[-1]\n```"
FIRST = "def largest(numbers):\n    return numbers[0]"


def programs(*texts):
    return [candidate(None, i, text=text) for i, text in enumerate(texts)]


async def test_programs_that_return_alike_stand_together_and_the_better_ones_win():
    seen = []

    def answer(prompt):
        if "Inputs and outputs:" not in prompt:
            return '["[[2, 9, 4]]", "[[7, 8]]", "not arguments"]'
        seen.append(prompt)
        first, second = re.findall(r"Output of \[[12]\]: '(\d)'", prompt)[:2]
        return "[1]" if first > second else "[2]"

    given = programs(LAST, LARGEST, FIRST, SORTED)
    found = await SelectByExecution(executor=EXECUTOR).run(QUERY, given, context(Answering(answer)))
    assert [c.text for c in found] == [LARGEST, SORTED, LAST, FIRST]
    assert len(seen) == 2 and all("Input: '[[2, 9, 4]]'" in prompt and "Output of" in prompt for prompt in seen)


async def test_a_failing_program_is_mended_by_what_its_public_tests_say():
    engine = Answering(in_turn(f"Here:\n```python\n{LAST}\n```", "never asked"))
    strategy = SelfDebug(rounds=3, verifier=EXECUTOR)
    [mended] = await strategy.run(QUERY, programs(FIRST), context(engine))
    assert mended.text == f"Here:\n```python\n{LAST}\n```" and mended.scores["python_code:public"].value == 1
    [prompt] = engine.prompts
    assert "It passes 1 of 2 tests. It fails: 1." in prompt
    assert "1: largest([1, 2, 3]) must return 3, but it returned 1" in prompt and "[3, 1]" not in prompt
