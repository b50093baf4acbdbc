"""Strict readers of what a model was asked to write: what is not exactly as asked is not read, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import orjson

SECTION = re.compile(r"^\[(\d+)\][ \t]*:?[ \t]*", re.MULTILINE)
RANKING = re.compile(r"\[\d+\](?:\s*>\s*\[\d+\])*")
UNIT_TEST = re.compile(r"Unit Test #(\d+): \[(Passed|Failed)\]")
ITEM = re.compile(r"(?:[-*]|\d+[.)])\s+(\S.*)")
FENCE = re.compile(r"```(?:json)?\n(.*)\n```", re.DOTALL)


def sections(reply: str, count: int) -> list[str | None]:
    r"""The texts under the headings [1] to [count] at the start of a line; None where missing, empty or there twice.

    >>> sections("[2] Short.\n[1]\nWrong\nsum. See [2].\n[7] Who?", 3)
    ['Wrong\nsum. See [2].', 'Short.', None]
    """
    marks = list(SECTION.finditer(reply))
    starts = [mark.start() for mark in marks]
    found: dict[int, list[str]] = {}
    for mark, end in zip(marks, [*starts[1:], len(reply)], strict=False):
        found.setdefault(int(mark[1][:9]), []).append(reply[mark.end() : end].strip())
    return [texts[0] or None if len(texts := found.get(i, [])) == 1 else None for i in range(1, count + 1)]


def permutation(reply: str, count: int) -> list[int] | None:
    r"""The order, counted from 0, that a first line such as ``[2] > [1] > [3]`` gives to all `count` responses.

    None where that line holds anything else, a number twice, or not every number.

    >>> permutation("[3] > [1] > [2]\nbecause", 3), permutation("[1] > [1] > [2]", 3), permutation("I prefer [1]", 1)
    ([2, 0, 1], None, None)
    """
    first = reply.strip().partition("\n")[0].strip()
    if not RANKING.fullmatch(first):
        return None
    order = [int(number[:9]) - 1 for number in re.findall(r"\d+", first)]
    return order if sorted(order) == list(range(count)) else None


def listed(reply: str, most: int) -> list[str]:
    r"""The texts of a JSON list of strings, or of lines that begin as items of a list; at most `most`, none twice.

    >>> listed('["a", "b", "a"]', 5), listed("Here they are:\n1. a\n- b", 5), listed("[1, 2]", 5), listed("none", 5)
    (['a', 'b'], ['a', 'b'], [], [])
    """
    return list(dict.fromkeys(text for text in _items(reply.strip()) if text.strip()))[:most]


def _items(reply: str) -> Iterator[str]:
    fenced = FENCE.fullmatch(reply)
    try:
        data = orjson.loads(fenced[1] if fenced else reply)
    except orjson.JSONDecodeError:
        yield from (item[1].strip() for line in reply.split("\n") if (item := ITEM.fullmatch(line.strip())))
        return
    if isinstance(data, list) and all(isinstance(text, str) for text in data):
        yield from data


def verdict(reply: str, words: Sequence[str]) -> str | None:
    r"""The one of `words` that stands alone, in square brackets, on the last line; None where none does.

    >>> verdict("All steps hold.\n[Correct]\n", ["Correct", "Incorrect"])
    'Correct'
    >>> verdict("It is not [Correct]", ["Correct", "Incorrect"])
    """
    last = reply.strip().rpartition("\n")[2].strip()
    return next((word for word in words if last == f"[{word}]"), None)


def passes(reply: str, count: int) -> list[float]:
    r"""Of each of `count` unit tests: 1 passed, 0 failed, 0.5 where no line says which, or lines disagree.

    >>> passes("Unit Test #1: [Passed]\nUnit Test #2: does not pass\nUnit Test #3: [Failed]", 3)
    [1.0, 0.5, 0.0]
    """
    said: dict[int, set[str]] = {}
    for line in reply.split("\n"):
        if found := UNIT_TEST.fullmatch(line.strip()):
            said.setdefault(int(found[1][:9]), set()).add(found[2])
    worth = {frozenset({"Passed"}): 1.0, frozenset({"Failed"}): 0.0}
    return [worth.get(frozenset(said.get(i, ())), 0.5) for i in range(1, count + 1)]
