"""Tree of thoughts: how thoughts are made, judged and chosen."""

from collections import Counter

import numpy as np
import pytest
from making import Counting, Failing, context, indices
from tabled import LastNumber, Tabled

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Finish, Query
from ponder.strategies import BeamSearch, TreeOfThoughts
from ponder.strategies.breadth_first import without_replacement
from ponder.strategies.level_search import Level, Node
from ponder.strategies.thoughts import choice, thoughts

QUERY = Query.ask("Make 24 of 4, 9, 10, 13.")
PROMPTS = {"value_prompt": "VALUE {question} {answer}", "vote_prompt": "VOTE {question} {responses}"}


def counts(scores, room: int, thoughts: int = 2, select: str = "greedy", seed: int = 0, keys=None) -> list[int]:
    keys = keys or range(len(scores))
    nodes = [Node(0, i, s, False, k, 1.0, None, i) for i, (s, k) in enumerate(zip(scores, keys, strict=True))]
    strategy = TreeOfThoughts(n=2 * thoughts, states=2, select=select, verifier=Counting())
    return strategy.allocator().allocate(Level(nodes, [], room, 1, np.random.default_rng(seed)))


def test_the_best_states_get_their_thoughts_each() -> None:
    assert counts([0.1, 0.9, 0.5], 4) == [0, 2, 2]
    assert counts([0.1, 0.9, 0.5], 3) == [0, 2, 1]
    assert counts([None, None, 0.0], 4) == [2, 0, 2]


def test_equal_values_keep_the_first_states() -> None:
    assert counts([1.0] * 4, 4) == [2, 2, 0, 0]
    assert counts([1.0] * 4, 4, keys=[5, 5, 5, 6]) == [2, 0, 0, 2], "equal states count as one"


def test_states_are_drawn_by_value_without_replacement() -> None:
    found = Counter(tuple(counts([3.0, 1.0, 0.0], 2, select="sample", seed=seed)) for seed in range(2000))
    assert found[2, 0, 0] / 2000 == pytest.approx(0.75, abs=0.04)
    assert found[0, 0, 2] == 0
    for seed in range(100):
        assert sorted(counts([0.0, 0.0, None], 4, select="sample", seed=seed)) == [0, 2, 2]
    assert sorted(without_replacement([0.0, 2.0, 0.0], np.random.default_rng(0))) == [0, 1, 2]
    assert without_replacement([0.0, 2.0, 0.0], np.random.default_rng(0))[0] == 1


async def test_one_state_with_one_thought_is_a_chain() -> None:
    judge = Counting()
    strategy = TreeOfThoughts(n=1, states=1, evaluate="value", verifier=judge)
    engine = Tabled({"": ["1\n"], "1\n": ["2"]})
    assert [each.text for each in await strategy.run(QUERY, [], context(engine))] == ["1\n2"]
    assert (engine.asked, judge.asked) == (["", "1\n"], [])


async def test_the_first_level_has_the_thoughts_of_one_state() -> None:
    engine = Tabled({"": ["1\n", "3\n"], "3\n": ["5", "4"], "1\n": ["9", "8"]})
    found = await TreeOfThoughts(n=4, states=2, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert engine.asked == ["", "", "1\n", "1\n", "3\n", "3\n"]
    assert [each.text for each in found] == ["1\n9", "1\n8", "3\n5", "3\n4"]


async def test_greedy_choice_by_a_verifier_is_a_beam_but_for_the_first_level() -> None:
    """With one state the room is all of its thoughts', in both."""
    trees = TreeOfThoughts(n=3, states=1, verifier=LastNumber())
    beam = BeamSearch(n=3, beam_width=3, verifier=LastNumber())
    table = {"": ["1\n", "3\n", "2\n"], "3\n": ["5", "4", "7\n"], "7\n": ["1"]}
    one, other = [await each.run(QUERY, [], context(Tabled(table))) for each in (trees, beam)]
    assert [each.text for each in one] == [each.text for each in other] == ["3\n5", "3\n4", "3\n7\n1"]


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(UsageError, match="multiple of states 5, got 12; take 15"):
        TreeOfThoughts(n=12)
    with pytest.raises(UsageError, match="must have a leaf"):
        TreeOfThoughts(generate="propose")
    for evaluate in ("value", "vote"):
        with pytest.raises(UsageError, match="lookahead must be 0 where words or votes judge a state"):
            TreeOfThoughts(evaluate=evaluate, lookahead=1)
    with pytest.raises(ValueError, match=r"add \{answer\}"):
        TreeOfThoughts(value_prompt="What of {question}?")


def told(found) -> list[tuple[str, float | None]]:
    return [(each.text, each.scores["thought_value"].value) for each in found]


VALUED = {"n": 3, "states": 1, "evaluate": "value", "evaluations": 2, **PROMPTS}


async def test_words_have_values_and_the_mean_decides() -> None:
    replies = {
        "\n1\n": ["Hm.\n[sure]", "[likely]"],
        "\n3\n": ["[impossible]", "[likely]"],
        "\n2\n": ["sure", "who knows"],
    }
    engine = Tabled({"": ["1\n", "3\n", "2\n"], "1\n": ["answer 1", "answer 2", "answer 3"]}, replies)
    found = await TreeOfThoughts(max_steps=2, **VALUED).run(QUERY, [], context(engine))
    assert {each.text for each in found} == {"1\nanswer 1", "1\nanswer 2", "1\nanswer 3"}
    beginning = next(found[0].path())
    assert beginning.scores["thought_value"].value == 10.5


async def test_equal_states_are_judged_once_and_alike() -> None:
    """A duplicate that is worth nothing, as in the published code, loses to any other."""
    replies = {"\n1": ["[sure]", "[sure]"], "\n2": ["[impossible]", "[impossible]"]}
    engine = Tabled({"": ["1", "1", "2"]}, replies)
    found = await TreeOfThoughts(**VALUED).run(QUERY, [], context(engine))
    assert [(each.text, each.scores["thought_value"].value) for each in found] == [
        ("1", 20.0),
        ("1", 20.0),
        ("2", 0.001),
    ]
    assert sum(said.startswith("VALUE") for said in engine.prompts) == 4


async def test_replies_without_a_word_tell_nothing() -> None:
    engine = Tabled({"": ["1", "2", "3"]}, {"VALUE": ["perhaps", "sure", "[Sure]", "[likely] or not", "", "[sure]"]})
    found = await TreeOfThoughts(**VALUED).run(QUERY, [], context(engine))
    assert [(each.text, each.scores["thought_value"].value) for each in found] == [
        ("3", 20.0),
        ("1", None),
        ("2", None),
    ]


async def test_votes_choose_among_the_states_of_a_level() -> None:
    votes = ["[1] is worse.\nThe best is [2].", "[2]", "[3]", "[9]", "no"]
    engine = Tabled({"": ["1", "5", "2"]}, {"VOTE": votes})
    strategy = TreeOfThoughts(n=3, states=1, evaluate="vote", evaluations=5, **PROMPTS)
    found = await strategy.run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["5", "2", "1"]
    assert [each.scores["thought_vote"].value for each in found] == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert "[1]\n" in engine.prompts[-1]
    assert engine.prompts[-1].count("[") == 3


async def test_paths_that_ended_on_different_levels_meet_in_one_last_vote() -> None:
    """A state that is alone on its level has no rival there: 1 of 1 is no more than 2 of 3 against two others."""
    engine = Tabled({"": ["answer 7", "b\n", "c\n"], "c\n": ["answer 9"]}, {"VOTE": ["[1]", "[1]", "[3]"] * 2})
    strategy = TreeOfThoughts(n=3, states=1, evaluate="vote", **PROMPTS)
    found = await strategy.run(QUERY, [], context(engine))
    assert [(each.text, each.scores["thought_vote"].value) for each in found] == [
        ("answer 7", 1.0),
        ("c\nanswer 9", 0.0),
        ("c\nanswer 9", 0.0),
    ]
    assert ["answer 7" in said and "answer 9" in said for said in engine.prompts] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("last", [["[1]"] * 3, ["none"] * 3])
async def test_a_last_vote_that_tells_nothing_or_is_not_held_leaves_the_votes_there_are(last) -> None:
    engine = Tabled({"": ["answer 7", "b\n", "c\n"], "c\n": ["answer 9"]}, {"VOTE": ["[1]", "[1]", "[3]", *last]})
    ctx = context(engine, budget=Budget(calls=3 + 3 + 2 if "none" not in last else 99))
    found = await TreeOfThoughts(n=3, states=1, evaluate="vote", **PROMPTS).run(QUERY, [], ctx)
    assert {each.text: each.scores["thought_vote"].value for each in found} == {
        "answer 7": pytest.approx(2 / 3),
        "c\nanswer 9": 1.0,
    }


async def test_there_is_no_last_vote_where_all_ended_in_one() -> None:
    engine = Tabled({"": ["a\n", "b\n"], "a\n": ["answer 1", "answer 2"]}, {"VOTE": ["[1]"] * 3 + ["[2]"] * 3})
    found = await TreeOfThoughts(n=2, states=1, evaluate="vote", **PROMPTS).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["a\nanswer 2", "a\nanswer 1"]
    assert len(engine.prompts) == 6


@pytest.mark.parametrize(
    "knobs",
    [
        {"generate": "propose", "lookahead": 2, "verifier": LastNumber()},
        {"evaluate": "vote", "n": 3, **PROMPTS},
        {"evaluate": "value", **PROMPTS},
    ],
)
async def test_the_estimate_covers_all_that_is_asked(knobs) -> None:
    """Greedy steps after proposed thoughts count, and so does the last vote."""
    lists = ["1\nanswer: 2", "answer: 3\nanswer: 4"]
    engine = Tabled(
        {"": ["answer: 1", "5\n", "5\n"], "5\n": ["answer: 7", "answer: 8"], "\n": ["6\n"]},
        {"Write": lists, "V": ["[1]"] * 9},
    )
    strategy = TreeOfThoughts(**{"n": 2, "states": 1, "max_steps": 2, "step_tokens": 12, "leaf": "answer:", **knobs})
    async with Runtime({"generator": engine}) as runtime:
        most = (await runtime.estimate(strategy, QUERY)).most
        spent = (await runtime.run(strategy, QUERY)).usage
    assert {name: count for name, count in spent.as_dict().items() if count > getattr(most, name)} == {}
    if knobs.get("evaluate") == "vote":
        assert (spent.calls, most.calls) == (3 + 3 + 2 + 3 + 3, 3 + 3 + 3 + 3 + 3)


async def test_there_is_no_vote_on_one_state() -> None:
    engine = Tabled({"": ["1", "1"]}, {"VOTE": []})
    strategy = TreeOfThoughts(n=2, states=1, evaluate="vote", **PROMPTS)
    assert [each.text for each in await strategy.run(QUERY, [], context(engine))] == ["1", "1"]


async def test_thoughts_are_proposed_in_one_list() -> None:
    """One call a state gives all of its thoughts; the text is continued by them though nobody generated it there."""
    lists = ["1. 4 + 9 = 13\n- 10 - 4 = 6\n\n10 - 4 = 6\n13 - 9 = 4\n", "answer: 24\nanswer: 25"]
    engine = Tabled({}, {"Write": lists})
    strategy = TreeOfThoughts(n=2, states=1, generate="propose", leaf="answer:", verifier=LastNumber())
    found = await strategy.run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["4 + 9 = 13\nanswer: 25\n", "4 + 9 = 13\nanswer: 24\n"]
    assert [each.finish for each in found] == [Finish.STOP] * 2
    assert len(engine.prompts) == 2
    assert "4 + 9 = 13\n" in engine.prompts[1]
    assert "Write 2 different next steps" in engine.prompts[0]
    assert len(set(indices(found))) == 2


def test_lists_and_choices_are_read_as_they_are_asked_for() -> None:
    assert thoughts("") == thoughts(" \n") == [""]
    assert thoughts("2.5 * 4 = 10\n3) x\n* y") == ["2.5 * 4 = 10", "x", "y"]
    assert [choice(reply, 2) for reply in ("[2]", "[0]", "[3]", "2", "[1][2]", "[1] and [1]", "")] == [
        1,
        None,
        None,
        None,
        None,
        0,
        None,
    ]


@pytest.mark.parametrize("evaluate", ["value", "vote"])
async def test_a_budget_that_ends_before_the_judgement_leaves_the_thoughts(evaluate) -> None:
    engine = Tabled({"": ["1", "2", "3"]}, {"V": ["[sure]"] * 9})
    strategy = TreeOfThoughts(n=3, states=1, evaluate=evaluate, max_tokens=10, step_tokens=10, **PROMPTS)
    found = await strategy.run(QUERY, [], context(engine, budget=Budget(total_tokens=300)))
    assert [each.text for each in found] == ["1", "2", "3"]
    assert all(each.scores[f"thought_{evaluate}"].value is None for each in found)


async def test_a_verifier_that_fails_leaves_the_thoughts() -> None:
    strategy = TreeOfThoughts(n=2, states=1, verifier=Failing())
    found = await strategy.run(QUERY, [], context(Tabled({"": ["1\n", "2\n"], "\n": ["3", "4"]})))
    assert [each.text for each in found] == ["1\n3", "1\n4"]
