"""Candidates in whole orders: no place is favoured, nothing is guessed, and long lists slide through a window."""

import random

import pytest
from judge_engine import JudgeEngine
from judge_prompts import code_of, ranking, shown
from judging import context, judged

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Usage
from ponder.strategies import FirstAccepted
from ponder.verifiers import ListwiseJudge
from ponder.verifiers.listwise_judge import borda, starts

THREE = ["middling", "best", "worst"]
WORTH = {"best": 2, "middling": 1, "worst": 0}
TWENTY = [f"response {i}" for i in range(20)]


def numbers(text):
    return int(text.split()[-1])


async def scores(verifier, texts, says, **knobs):
    engine = says if isinstance(says, JudgeEngine) else JudgeEngine(says)
    return await judged(verifier, texts, None, context({"generator": engine}, **knobs))


def values(found):
    return [score.value for score in found]


def in_place(prompt, places=None):
    places = places or range(1, len(shown(prompt)) + 1)
    return f"{code_of(prompt)}{' > '.join(f'[{place}]' for place in places)}"


async def test_an_oracle_gives_every_place():
    found = await scores(ListwiseJudge(votes=5), THREE, ranking(WORTH.get))
    assert values(found) == [0.5, 1.0, 0.0]
    assert {score.detail for score in found} == {"5 of 5 votes valid"}


@pytest.mark.parametrize("places", [[1, 2, 3], [3, 1, 2], [2, 1, 3]])
@pytest.mark.parametrize("votes", [3, 6, 9])
async def test_a_judge_who_looks_at_the_place_makes_all_equal(places, votes):
    assert values(await scores(ListwiseJudge(votes=votes), THREE, lambda p: in_place(p, places))) == [0.5] * 3


async def test_votes_are_averaged():
    """One judge of three thinks the other way round: what is first in its list is last in theirs."""
    lists = iter([1, 1, -1])
    engine = JudgeEngine(lambda prompt: ranking(lambda text, sign=next(lists): sign * WORTH[text])(prompt))
    assert values(await scores(ListwiseJudge(votes=3), THREE, engine)) == [0.5, 2 / 3, 1 / 3]


@pytest.mark.parametrize(
    "reply",
    [
        "{}[1] > [1] > [2]",
        "{}[2] > [1]",
        "{}[1] > [2] > [3] > [4]",
        "{}[0] > [1] > [2]",
        "{}I prefer [1] > [2] > [3]",
        "{}[1] > [2] > [3].",
        "{}[1] > [2] > [3]\nThat is all.",
        "[1] > [2] > [3]",
        "{}[1], [2], [3]",
        "",
        None,
    ],
)
async def test_what_is_no_whole_order_is_dropped(reply):
    asked = iter(range(9))

    def says(prompt):
        return ranking(WORTH.get)(prompt) if not next(asked) else reply and reply.format(code_of(prompt))

    found = await scores(ListwiseJudge(votes=3), THREE, says)
    assert values(found) == [0.5, 1.0, 0.0]
    assert {score.detail for score in found} == {"1 of 3 votes valid"}


async def test_without_a_vote_there_is_no_score():
    found = await scores(ListwiseJudge(votes=3), THREE, lambda _: "They are all good.")
    assert {(score.value, score.detail) for score in found} == {(None, "0 of 3 votes valid")}
    found = await scores(ListwiseJudge(votes=3), THREE, lambda _: None)
    assert values(found) == [None] * 3
    assert all("'generator' gave no judgement" in score.detail for score in found)


async def test_a_reply_that_was_cut_is_no_vote():
    whole = len("I see.\n12345678 [1] > [2] > [3]") + 1
    assert None not in values(await scores(ListwiseJudge(max_tokens=whole), THREE, ranking(WORTH.get)))
    assert values(await scores(ListwiseJudge(max_tokens=whole - 1), THREE, ranking(WORTH.get))) == [None] * 3


async def test_without_a_code_the_last_line_is_the_order():
    assert values(await scores(ListwiseJudge(signed=False), THREE, ranking(WORTH.get))) == [0.5, 1.0, 0.0]


async def test_one_candidate_and_equal_ones_cost_no_call():
    for few in ([], ["best"], ["best", "best"], ["best", ".", ""]):
        engine = JudgeEngine(ranking(WORTH.get))
        assert values(await scores(ListwiseJudge(), few, engine)) == [0.5 if text == "best" else 0.0 for text in few]
        assert engine.calls == 0


async def test_the_order_that_came_in_means_nothing():
    plain = dict(zip(THREE, await scores(ListwiseJudge(votes=2), THREE, in_place), strict=True))
    asked = set()
    for order in ([0, 2, 1], [2, 1, 0], [1, 0, 2]):
        engine = JudgeEngine(in_place)
        moved = [THREE[i] for i in order]
        assert await scores(ListwiseJudge(votes=2), moved, engine) == [plain[text] for text in moved]
        asked.add(tuple(engine.prompts))
    assert len(asked) == 1


@pytest.mark.parametrize("window", [4, 8, 16, 32])
@pytest.mark.parametrize("worst_first", [False, True])
async def test_a_window_finds_the_best_half_of_it(window, worst_first):
    order = list(range(20))
    random.Random(window).shuffle(order)
    texts = [TWENTY[i] for i in order]
    sign = -1 if worst_first else 1
    engine = JudgeEngine(ranking(lambda text: sign * numbers(text)))
    found = values(await scores(ListwiseJudge(window=window, votes=2), texts, engine))
    best = sorted(texts, key=lambda text: -sign * numbers(text))
    placed = sorted(texts, key=dict(zip(texts, found, strict=True)).get, reverse=True)
    sure = 20 if window > 20 else window // 2
    assert placed[:sure] == best[:sure]
    assert sorted(found, reverse=True)[:sure] == pytest.approx([1 - i / 19 for i in range(sure)])
    assert max(len(shown(prompt)) for prompt in engine.prompts) == min(window, 20)
    assert engine.calls == 2 * len(starts(20, window))


async def test_a_vote_whose_window_is_unread_is_dropped():
    asked = iter(range(99))
    found = await scores(
        ListwiseJudge(window=10, votes=2),
        TWENTY,
        lambda prompt: "?" if next(asked) == 2 else ranking(numbers)(prompt),
    )
    assert found[0].detail == "1 of 2 votes valid"
    assert values(found)[19] == 1.0


@pytest.mark.parametrize(("count", "window"), [(2, 16), (3, 16), (3, 2), (7, 4), (20, 8)])
@pytest.mark.parametrize("votes", [1, 4, 7])
async def test_scores_tell_what_was_spent_and_no_more_than_the_bound(count, window, votes):
    verifier, engine = ListwiseJudge(window=window, votes=votes), JudgeEngine(ranking(numbers))
    ctx = context({"generator": engine})
    found = await judged(verifier, TWENTY[:count], None, ctx)
    spent = ctx._run.ledger.spent
    assert Usage.total(score.usage for score in found) == spent
    assert spent.verifier_calls == engine.calls <= votes * len(starts(count, window))
    share = verifier.bound({"generator": engine}, 10, len(TWENTY[-1]), count)
    assert share.verifier_calls == -(-votes * len(starts(count, window)) // count)
    for name, value in Usage.total([share] * count).as_dict().items():
        assert value >= getattr(spent, name)
    assert verifier.bound({"generator": engine}, 10, 99) == verifier.least({"generator": engine}, 10) == Usage()


async def test_more_votes_than_orders_are_other_draws_of_the_same_question():
    replies = iter([1, -1, 1, 1])
    engine = JudgeEngine(lambda prompt: ranking(lambda text, sign=next(replies): sign * WORTH[text])(prompt))
    found = await scores(ListwiseJudge(votes=4), THREE[:2], engine)
    assert len(engine.prompts) == 4
    assert len(set(engine.prompts)) == 2
    assert values(found) == [0.25, 0.75]


@pytest.mark.parametrize(("best", "again"), [("best", 1), ("middling", 2)])
async def test_a_window_that_comes_again_is_another_draw_too(best, again):
    """A judge that orders a window only when it first sees it."""
    seen = set()

    def says(prompt):
        is_new = prompt not in seen
        seen.add(prompt)
        return ranking(lambda text: 3 * (text == best) + WORTH[text])(prompt) if is_new else "Again?"

    engine = JudgeEngine(says)
    found = await scores(ListwiseJudge(votes=3, window=2), THREE, engine)
    assert len(engine.prompts) - len(seen) == again
    assert {score.detail for score in found} == {f"{3 - again} of 3 votes valid"}


async def test_no_budget_is_overrun_and_votes_that_were_paid_count():
    for calls, valid in ((1, 1), (3, 3)):
        ctx = context({"generator": JudgeEngine(ranking(WORTH.get))}, Budget(verifier_calls=calls))
        found = await judged(ListwiseJudge(votes=6), THREE, None, ctx)
        assert (values(found), found[0].detail) == ([0.5, 1.0, 0.0], f"{valid} of 6 votes valid")
        assert ctx._run.ledger.spent.verifier_calls == calls


def test_its_scores_never_stand_alone_and_it_needs_its_engine():
    with pytest.raises(ShapeError, match="compares candidates with one another"):
        FirstAccepted(verifier=ListwiseJudge()).infer(Shape(), Plan())
    with pytest.raises(UsageError, match=r"one of the pipeline's engines \(none\), got 'judge'"):
        ListwiseJudge(engine="judge").bound({}, 1, 1, 2)
    assert ListwiseJudge(engine="judge").name == "listwise_judge:judge"


def test_places_of_the_window():
    assert starts(4, 4) == [0]
    assert starts(5, 4) == [1, 0]
    assert starts(9, 4) == [5, 3, 1, 0]
    assert starts(3, 2) == [1, 0]
    assert borda(0, []) is None
