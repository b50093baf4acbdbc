"""Text cut into steps: what ends one, what ends a path, and that only what was generated counts."""

import pytest
from making import Counting, context
from tabled import LastNumber, Tabled

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Finish, Query
from ponder.strategies import BeamSearch

QUERY = Query.ask("The answer is 7.\n\nanswer: 7\n")


def stepwise(**knobs) -> BeamSearch:
    return BeamSearch(**{"n": 2, "beam_width": 1, "unique": False, "verifier": LastNumber(), **knobs})


async def paths(engine: Tabled, **knobs):
    return await stepwise(**knobs).run(QUERY, [], context(engine))


async def test_a_step_keeps_the_separator_that_ends_it() -> None:
    engine = Tabled({"": ["a 1\nb 2\nc 3"], "1\n": ["b 2\nc 3"], "2\n": ["c 3"]})
    found = await paths(engine)
    assert [each.text for each in found] == ["a 1\nb 2\nc 3"] * 2
    assert [[node.piece for node in each.path()] for each in found] == [["a 1\n", "b 2\n", "c 3"]] * 2
    assert [node.finish for node in found[0].path()] == [Finish.STEP, Finish.STEP, Finish.EOS]


async def test_a_path_goes_on_from_its_own_tokens() -> None:
    """Nothing is put between steps and nothing is added after the end token."""
    engine = Tabled({"": ["a 1\nb"], "1\n": ["b 2"]})
    await paths(engine)
    assert engine.asked == ["", "", "a 1\n", "a 1\n"]


async def test_the_end_token_ends_a_path_whatever_it_says() -> None:
    found = await paths(Tabled({"": ["I do not know"]}), leaf="answer")
    assert [each.finish for each in found] == [Finish.EOS] * 2


async def test_a_leaf_ends_a_path_where_it_is_generated_not_where_it_is_asked() -> None:
    engine = Tabled({"": ["think\n"], "think\n": ["answer: 5\nanswer: 6\n"]})
    found = await paths(engine, leaf=r"answer: \d")
    assert [each.text for each in found] == ["think\nanswer: 5\n"] * 2
    assert found[0].finish is Finish.STOP


async def test_a_leaf_is_found_where_the_limit_of_a_step_parts_it() -> None:
    engine = Tabled({"": ["answer: 5\n"], "answ": ["er: 5\n"], "er: ": ["5\nmore\n"]})
    found = await paths(engine, leaf=r"^answer: \d", step_tokens=4)
    assert [each.text for each in found] == ["answer: 5\n"] * 2
    assert found[0].finish is Finish.STOP


async def test_a_stop_string_of_the_user_ends_a_path() -> None:
    found = await paths(Tabled({"": ["a 1\n"], "1\n": ["b END c\n"]}), stop=("END",))
    assert [each.text for each in found] == ["a 1\nb END"] * 2
    assert found[0].finish is Finish.STOP


async def test_the_tokens_of_a_path_are_those_of_all_its_steps() -> None:
    """No step is over its own limit, all together are over the path's: it is cut there, and kept."""
    engine = Tabled({"": ["12345\n"], "12345\n": ["12345\n"]})
    found = await paths(engine, max_tokens=15, step_tokens=10)
    assert [each.text for each in found] == ["12345\n12345\n123"] * 2
    assert {each.finish for each in found} == {Finish.TOTAL_LENGTH}
    assert {each.generated_tokens for each in found} == {15}


async def test_a_step_that_just_fills_the_path_ends_it() -> None:
    engine = Tabled({"": ["12345\n"], "12345\n": ["12345\n"]})
    found = await paths(engine, max_tokens=12, step_tokens=10)
    assert [each.text for each in found] == ["12345\n12345\n"] * 2
    assert engine.asked == ["", "", "12345\n", "12345\n"]
    assert {each.finish for each in found} == {Finish.TOTAL_LENGTH}


async def test_a_step_cut_by_its_own_limit_goes_on() -> None:
    engine = Tabled({"": ["1234567"], "1234": ["567"]})
    found = await paths(engine, step_tokens=4)
    assert [[node.finish for node in each.path()] for each in found] == [[Finish.STEP_LENGTH, Finish.EOS]] * 2


async def test_one_blank_step_is_passed_over_a_second_ends_the_path_as_stalled() -> None:
    found = await paths(Tabled({"": ["1\n"], "1\n": ["\n"], "1\n\n": ["2"]}))
    assert [each.text for each in found] == ["1\n\n2"] * 2
    found = await paths(Tabled({"": ["1\n"], "1\n": ["\n"], "1\n\n": ["\n"]}))
    assert {each.finish for each in found} == {Finish.ERROR}


async def test_a_path_that_ends_at_a_separator_has_no_empty_step_after_it() -> None:
    engine = Tabled({"": ["1\n"], "1\n": [""]})
    found = await paths(engine)
    assert [each.finish for each in found] == [Finish.EOS] * 2
    assert [each.scores["last_number"].value for each in found] == [1.0, 1.0]


async def test_a_path_that_is_too_long_in_steps_is_cut_and_given_back() -> None:
    found = await paths(Tabled({"": ["1\n"], "1\n": ["2\n"], "2\n": ["1\n"]}), max_steps=3)
    assert [each.text for each in found] == ["1\n2\n1\n"] * 2
    assert {each.finish for each in found} == {Finish.TOTAL_LENGTH}


async def test_one_path_is_not_judged() -> None:
    judge = Counting()
    found = await paths(Tabled({"": ["1\n"], "1\n": ["2"]}), n=1, verifier=judge)
    assert [each.text for each in found] == ["1\n2"]
    assert judge.asked == []


def test_a_leaf_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(UsageError, match="leaf must be a regular expression"):
        stepwise(leaf="(")


async def test_lookahead_counts_for_the_score_and_is_then_dropped() -> None:
    """Judged where they stand, 9 is the better; judged a step ahead, 1, which leads to 50."""
    table = {"": ["9\n", "1\n"], "9\n": ["2"], "1\n": ["50"]}
    blind = await paths(Tabled(table), beam_width=2)
    assert [each.text for each in blind] == ["9\n2"] * 2
    engine = Tabled(table)
    seeing = await paths(engine, beam_width=2, lookahead=1)
    assert [each.text for each in seeing] == ["1\n50"] * 2
    assert [node.piece for node in seeing[0].path()] == ["1\n", "50"]
    assert next(seeing[0].path()).scores["last_number"].value == 50.0
    assert engine.asked == ["", "", "9\n", "1\n", "1\n", "1\n"], "two steps ahead are drawn, and paid for"


async def test_votes_choose_among_whole_paths() -> None:
    engine = Tabled({"": ["3\n", "4\n", "4\n"], "3\n": ["answer: 9"], "4\n": ["answer: 5"]})
    found = await paths(engine, n=3, choose="vote")
    assert [each.answer for each in found] == ["5", "5", "9"]
    best = await paths(Tabled({"": ["3\n", "4\n", "4\n"], "3\n": ["answer: 9"], "4\n": ["answer: 5"]}), n=3)
    assert best[0].text == "3\nanswer: 9"
