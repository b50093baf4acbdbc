"""Tests of programs, as data."""

from __future__ import annotations

import ast
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from .plain_values import from_json, to_json


def _plain(value: object) -> object:
    """The value that JSON stands for, or, where it is no such JSON, the plain value itself."""
    try:
        return from_json(value)
    except ValueError:
        to_json(value)
        return value


def _python(code: str) -> str:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"must be Python, but: {error}") from None
    return code


PlainValue = Annotated[Any, BeforeValidator(_plain), PlainSerializer(to_json, return_type=Any, when_used="json")]
Code = Annotated[str, AfterValidator(_python)]
Name = Annotated[str, Field(pattern=r"^[^\W\d]\w*$")]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _CodeTest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    is_public: bool = False


class StdinTest(_CodeTest):
    """What a program reads and what it must print.

    Args:
        stdin: the text of its standard input.
        stdout: what it must print; spaces at the end of a line and empty lines at the end do not count.
        is_public: whether who writes the program may know this test.
    """

    kind: Literal["stdin"] = "stdin"
    stdin: str
    stdout: str


class CallTest(_CodeTest):
    """A call of a function of the program, and what it must return.

    Values are plain (see `plain_values`) and equal only in one type: True is not 1, and a tuple is no list. In a file
    they stand as JSON.

    Args:
        function: the function's name.
        args: its arguments by place.
        kwargs: its arguments by name.
        result: what it must return; nan equals nan.
        absolute: how far a number of the result may be off.
        relative: how far it may be off as a part of the right number, added to `absolute`. Where either tolerance is
            given, whole numbers and floats count alike; bools, members of sets and keys stay exact.
        is_public: whether who writes the program may know this test.
    """

    kind: Literal["call"] = "call"
    function: Name
    args: tuple[PlainValue, ...] = ()
    kwargs: dict[Name, PlainValue] = {}
    result: PlainValue
    absolute: Tolerance = 0.0
    relative: Tolerance = 0.0


class CheckTest(_CodeTest):
    """A check in Python, as HumanEval has them (Chen et al. 2021): it calls a function of the program and asserts.

    Each assert that is executed is a test of its own.

    Args:
        code: defines ``check(candidate)``.
        entry_point: the function of the program that is the candidate.
        prefix: code that stands before the program, which completes it or redefines what it defines; the check sees
            it too.
        is_public: whether who writes the program may know this test.
    """

    kind: Literal["check"] = "check"
    code: Code
    entry_point: Name
    prefix: Code = ""


AnyCodeTest = Annotated[StdinTest | CallTest | CheckTest, Field(discriminator="kind")]
