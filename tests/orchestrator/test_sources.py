"""Where queries come from, and what is refused."""

import json

import pytest
from pydantic import BaseModel

from ponder.orchestrator.code_tests import CallTest
from ponder.orchestrator.data.sources import (
    AbacusData,
    AnyData,
    DigitsData,
    FileData,
    SimulatedData,
    check_references,
    queries,
)
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Query


class Holder(BaseModel):
    data: AnyData


def write(tmp_path, *rows: object) -> str:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_a_file_of_lines(tmp_path) -> None:
    rows = ({"id": "a", "prompt": "1+1?", "answer": 2, "difficulty": 1}, {"prompt": "2+2?", "answer": "4"})
    found = FileData(path=write(tmp_path, *rows)).load()
    assert [(q.id, q.messages[0].content, q.reference) for q in found] == [("a", "1+1?", "2"), ("1", "2+2?", "4")]
    assert [dict(q.metadata) for q in found] == [{"difficulty": "1"}, {}]


def test_digits_are_asked_for_equally_often_in_words_of_their_own() -> None:
    found = check_references(DigitsData(size=25).load())
    assert found[13].messages[0].content == "a handwritten 3, sheet 2"
    assert (found[13].id, found[13].reference, found[13].difficulty) == ("13", "3", "digit 3")
    assert len({query.messages for query in found}) == 25
    assert [query.reference for query in found].count("4") == 3
    assert [query.reference for query in found].count("5") == 2


def test_fields_have_the_names_given_and_prompts_may_be_conversations(tmp_path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    path = write(tmp_path, {"chat": turns, "gold": "2", "level": "easy"})
    [query] = FileData(path=path, prompt="chat", reference="gold", difficulty="level").load()
    assert [m.role for m in query.messages] == ["system", "user"]
    assert (query.reference, query.metadata["difficulty"]) == ("2", "easy")


def test_a_file_is_cut_to_its_size(tmp_path) -> None:
    path = write(tmp_path, *({"prompt": str(i), "answer": i} for i in range(5)))
    assert len(FileData(path=path, size=3).load()) == 3
    assert len(FileData(path=path, size=9).load()) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"prompt": "x"}\n{broken', r"line 2 must be JSON, but: .*; mend that line"),
        ("[1, 2]", r"line 1 must be a JSON object, got list; mend that line"),
        ('{"question": "x"}', r"row 1 must have a field 'prompt', but has \['question'\]; name the right one"),
        ('{"prompt": 3}', r"field .prompt. of row 1 must be text or a list of messages"),
        ('{"prompt": [{"role": "robot", "content": "x"}]}', r"row 1 is not valid: messages\.0\.role"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, problem) -> None:
    (path := tmp_path / "data.jsonl").write_text(text)
    with pytest.raises(UsageError, match=problem):
        FileData(path=str(path)).load()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"prompt": "", "answer": 1}, r"field 'prompt' of row 1 must be text or a list of messages, not empty, got ''"),
        ({"prompt": [], "answer": 1}, r"not empty, got \[\]"),
        ({"prompt": 3, "answer": 1}, r"not empty, got 3; mend that row"),
        ({"prompt": "q", "answer": {"x": 1}}, r"field 'answer' of row 1 must be text or a number, got \{'x': 1\}"),
        ({"prompt": "q", "answer": ["1"]}, r"must be text or a number, got \['1'\]; name the field"),
        ({"prompt": "q", "tests": [{"kind": "stdin"}]}, r"row 1 is not valid: tests.0.stdin.stdin: Field required"),
    ],
)
def test_a_row_that_nobody_could_answer_or_judge_is_refused(tmp_path, row, problem) -> None:
    with pytest.raises(UsageError, match=problem):
        FileData(path=write(tmp_path, row)).load()


def test_an_empty_answer_is_none(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"1 of 1 have none"):
        check_references(FileData(path=write(tmp_path, {"prompt": "q", "answer": " "})).load())


def test_a_file_may_begin_with_the_mark_some_editors_write(tmp_path) -> None:
    (path := tmp_path / "marked.jsonl").write_bytes(b'\xef\xbb\xbf{"prompt": "q", "answer": 1}')
    assert FileData(path=str(path)).load()[0].reference == "1"


def test_a_row_with_tests_of_a_program_needs_no_answer(tmp_path) -> None:
    test = {"kind": "call", "function": "f", "args": [1], "result": {"$tuple": [1, 2]}, "is_public": True}
    [query] = check_references(FileData(path=write(tmp_path, {"prompt": "Write f.", "tests": [test]})).load())
    assert query.tests == (CallTest(function="f", args=(1,), result=(1, 2), is_public=True),)


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"must be readable at .*none\.jsonl, but: No such file"):
        FileData(path=str(tmp_path / "none.jsonl")).load()
    with pytest.raises(UsageError, match="must be readable at"):
        FileData(path=str(tmp_path)).load()


def test_references_are_checked() -> None:
    good = Query.ask("1+1?", reference="2", id="a")
    assert check_references([good]) == [good]
    with pytest.raises(UsageError, match=r"1 of 2 have none \(first: 'b'\); name the field that holds it"):
        check_references([good, Query.ask("2+2?", id="b")])
    with pytest.raises(UsageError, match="at least one query, got none"):
        check_references([])
    with pytest.raises(UsageError, match="an id of its own, but 'a' stands twice"):
        check_references([good, good])


def test_simulated_queries_know_their_truth() -> None:
    found = SimulatedData(size=3).load()
    assert len({q.id for q in found}) == 3
    assert all(q.reference is not None and 0 < float(q.metadata["pass_at_1"]) < 1 for q in found)


def test_abacus_problems_have_references() -> None:
    found = check_references(AbacusData(size=12).load())
    assert len(found) == 12
    assert len({q.metadata["difficulty"] for q in found}) == 6


def test_sources_are_data() -> None:
    assert Holder.model_validate({"data": {"kind": "simulated", "size": 2}}).data == SimulatedData(size=2)
    assert queries([], "prompt", "answer", "difficulty") == []
