"""Each check fails for a verifier that breaks what it checks."""

import broken_verifiers as broken
import pytest
from judge_replies import worth

from ponder.orchestrator.verifier import Verifier
from ponder.testing import (
    VERIFIER_CHECKS,
    Bench,
    asks_whom_it_names,
    bears_odd_candidates,
    can_be_checked_again,
    fits_what_is_set_aside,
    follows_its_candidates,
    is_bounded,
    is_paid_once,
    is_plain_data,
    judges_each_by_itself,
    judges_within_any_budget,
    judges_within_its_depth,
    judging_ends_at_the_deadline,
    judging_ignores_order_of_arrival,
    judging_leaves_nothing_behind,
    judging_resumes_from_any_row,
    needs_what_it_says,
    scores_each_candidate,
    survives_dead_judges,
    survives_lost_judgements,
    survives_mangled_replies,
    tells_what_it_costs,
)

BENCH = Bench(says=lambda prompt: str(len(prompt) % 7 + prompt.count("answer: 4")))

FAILING = [
    (scores_each_candidate, broken.ForgetsOne(), "nothing must fail|must give"),
    (scores_each_candidate, broken.FindsAllAlike(), "that the verifier tells apart"),
    (scores_each_candidate, broken.ScoresOnAnotherScale(), "must be on the scale 'logit' declared"),
    (scores_each_candidate, broken.AsksForNobody(), "no candidates must have no scores|must add up"),
    (scores_each_candidate, broken.TellsDuplicatesApart(), "equal candidates must have equal scores"),
    (scores_each_candidate, broken.LikesTheFirst(), "equal candidates must have equal scores"),
    (follows_its_candidates, broken.LikesTheFirst(), "must have their scores in that order"),
    (follows_its_candidates, broken.ReversesThem(), "must have their scores in that order"),
    (judges_each_by_itself, broken.ComparesInSecret(), "or the verifier relative"),
    (judges_each_by_itself, broken.ChangesItsMind(), "or the verifier relative"),
    (bears_odd_candidates, broken.NeedsALine(), "must not raise"),
    (bears_odd_candidates, broken.ReadsNumbers(), "must not raise"),
    (bears_odd_candidates, broken.SpoilsItsNeighbours(), "must not change the scores of others"),
    (tells_what_it_costs, broken.HidesItsCost(), "must add up to what judging has cost"),
    (tells_what_it_costs, broken.HidesTheCostOfRubbish(), "must add up to what judging has cost"),
    (tells_what_it_costs, broken.PaysPastTheLedger(), "must be charged what the engines served"),
    (is_bounded, broken.ExpectsLess(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, broken.ExpectsMore(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, broken.ForgetsTheOdd(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, broken.CountsOneForAll(), "must bracket what is spent"),
    (judges_within_its_depth, broken.AsksInTurn(), "at most 1 calls must be made one after another"),
    (is_paid_once, broken.AsksSomethingElse(), "judged again must cost nothing more"),
    (is_paid_once, broken.ChangesItsMind(), "must have the same scores"),
    (
        judging_resumes_from_any_row,
        broken.AsksSomethingElse(),
        "the result must be the same|the rest alone must be paid",
    ),
    (judges_within_any_budget, broken.PaysPastTheLedger(), "the engines must be asked for no more"),
    (judges_within_any_budget, broken.GivesNoReason(), "must say why in its detail"),
    (judges_within_any_budget, broken.ExpectsLess(), "must refuse nothing"),
    (fits_what_is_set_aside, broken.ExpectsLess(), "what was set aside for judging must pay for it all"),
    (judging_ignores_order_of_arrival, broken.TakesTheFirstToArrive(), "must not depend on speed"),
    (survives_dead_judges, broken.GivesNoReason(), "must say why in its detail"),
    (survives_dead_judges, broken.TakesSilenceForPraise(), "who needs one must have no score"),
    (survives_lost_judgements, broken.LosesAllForOne(), "one score at most may change"),
    (survives_mangled_replies, broken.TrustsTheJudge(), "must not raise"),
    (survives_mangled_replies, broken.GuessesTheMiddle(), "must give no score"),
    (survives_mangled_replies, broken.TakesAnyNumber(), "must say why in its detail"),
    (judging_ends_at_the_deadline, broken.SleepsThrough(), "must end at its deadline"),
    (judging_leaves_nothing_behind, broken.LeaksATask(), "no task may be left"),
    (judging_leaves_nothing_behind, broken.WillNotStop(), "a run must stop"),
    (judging_leaves_nothing_behind, broken.HoldsItsRoom(), "no reservation may be left"),
    (is_plain_data, broken.IsMoreThanItsKnobs(sure=3), "rebuilt from its table"),
    (is_plain_data, broken.IsNamedByChance(), "must keep its name"),
    (is_plain_data, broken.TakesAnyKnob(), "must be refused"),
    (is_plain_data, broken.CanBeChanged(), "must be frozen"),
    (can_be_checked_again, broken.IsCheckedOnce(), "must be checked once"),
    (asks_whom_it_names, broken.AsksAnother(), "must name the engines it asks"),
    (needs_what_it_says, broken.ComparesWithTheReference(), "must say that it needs a reference"),
    (needs_what_it_says, broken.JudgesWithoutItsReference(), "must give no score"),
]


@pytest.mark.parametrize(
    ("check", "verifier", "says"), FAILING, ids=lambda each: getattr(each, "__name__", type(each).__name__)
)
async def test_a_broken_verifier_fails(check, verifier, says: str) -> None:
    with pytest.raises(Exception, match=says):
        await check(verifier, BENCH)


def test_every_check_has_a_verifier_that_breaks_it() -> None:
    assert {case[0] for case in FAILING} == set(VERIFIER_CHECKS)


@pytest.mark.parametrize("verifier", [broken.Sound(), broken.Plain(), broken.Relative()], ids=lambda each: each.kind)
@pytest.mark.parametrize("check", VERIFIER_CHECKS, ids=lambda check: check.__name__)
async def test_a_sound_verifier_passes(check, verifier: Verifier) -> None:
    await check(verifier, BENCH)


def the_best_place(prompt: str) -> str:
    texts = [line for line in prompt.split("\n") if line.startswith("> ")]
    return str(max(range(len(texts)), key=lambda i: worth(texts[i])))


async def test_who_reads_a_choice_in_another_order_than_it_showed_fails() -> None:
    bench = Bench(says=the_best_place)
    await follows_its_candidates(broken.Chooses(), bench)
    with pytest.raises(AssertionError, match="must have their scores in that order"):
        await follows_its_candidates(broken.ForgetsItsShuffle(), bench)


async def test_who_believes_a_judge_of_places_fails() -> None:
    with pytest.raises(AssertionError, match="must have their scores in that order"):
        await follows_its_candidates(broken.Chooses(), Bench(says=the_best_place, blind=lambda prompt: "0"))
