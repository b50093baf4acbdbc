"""Tests of programs are data: exact through files, refused where they say nothing that can be run."""

import math

import orjson
import pytest
from pydantic import ValidationError

from ponder.orchestrator.canonical import digest
from ponder.orchestrator.code_tests import CallTest, CheckTest, StdinTest
from ponder.orchestrator.types import Query

TESTS = (
    StdinTest(stdin="1\n", stdout="2\n", is_public=True),
    CallTest(
        function="f", args=(1, (2.5, {3}), {"a": b"x"}), kwargs={"k": math.inf}, result=(None, 2**80), relative=0.1
    ),
    CheckTest(code="def check(candidate):\n    assert candidate(1) == 2", entry_point="f", prefix="import math\n"),
)


def test_a_query_carries_tests_through_json_exactly():
    query = Query.ask("?").model_copy(update={"tests": TESTS})
    again = Query.model_validate_json(query.model_dump_json())
    assert again == query and again.tests[1].args == TESTS[1].args and type(again.tests[1].result) is tuple
    assert Query.model_validate(orjson.loads(query.model_dump_json())) == query
    assert Query.ask("?").tests == ()


def test_in_a_file_values_stand_as_json():
    row = {"kind": "call", "function": "f", "args": [[1, "a"], {"$tuple": [1]}], "result": {"a": None}}
    test = CallTest.model_validate(row)
    assert test.args == ([1, "a"], (1,)) and test.result == {"a": None}


def test_tests_that_differ_in_a_type_alone_have_names_of_their_own():
    results = [1, True, 1.0, (1,), [1], {1}, "1", b"1", math.nan, None, 2**60]
    names = {digest([CallTest(function="f", result=result)]) for result in results}
    assert len(names) == len(results)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "call", "function": "f", "result": object()},
        {"kind": "call", "function": "f x", "result": 1},
        {"kind": "call", "function": "f", "args": [iter([])], "result": 1},
        {"kind": "call", "function": "f", "result": 1, "absolute": -1},
        {"kind": "call", "function": "f", "result": 1, "relative": math.nan},
        {"kind": "check", "code": "def check(candidate:", "entry_point": "f"},
        {"kind": "check", "code": "", "entry_point": "f", "prefix": "("},
        {"kind": "check", "code": "", "entry_point": ""},
        {"kind": "stdin", "stdin": "", "stdout": "", "more": 1},
        {"kind": "other"},
    ],
)
def test_what_cannot_be_run_is_refused(bad):
    with pytest.raises(ValidationError):
        Query.model_validate({"id": "q", "messages": (), "tests": [bad]})
