"""Best-of-N: exact facts, the law of the order statistic, and the limits an imperfect verifier sets."""

import itertools
import math

import pytest
from making import ByTable, Counting, Failing, context, indices

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import BestOfN, Sample
from ponder.verifiers import ExactMatch

WORLD = World(seed=1, steps=2, branching=3)
ENGINE = SimulatedSpec(world=WORLD).open()
PATHS = WORLD.paths(Query.ask("Problem 3?"))
QUERY = Query.ask("Problem 3?", reference=str(WORLD.problem(Query.ask("Problem 3?").messages).answer))
P = WORLD.pass_at_1(QUERY)


async def test_one_draw_is_not_judged() -> None:
    judge = Counting()
    best = await BestOfN(n=1, verifier=judge).run(QUERY, [], context(ENGINE))
    assert best == await Sample(n=1).run(QUERY, [], context(ENGINE))
    assert judge.asked == []


@pytest.mark.parametrize("value", [0.0, 0.5, None])
async def test_where_all_scores_are_equal_the_shortest_and_then_the_first_is_first(value) -> None:
    best = await BestOfN(n=8, verifier=Counting(value=value)).run(QUERY, [], context(ENGINE))
    assert indices(best) == [c.index for c in sorted(best, key=lambda c: (c.generated_tokens, c.index))]


async def test_a_draw_without_a_score_is_last() -> None:
    drawn = await Sample(n=8).run(QUERY, [], context(ENGINE))
    unknown = drawn[0].text
    judge = ByTable(table={each.text: 0.0 for each in drawn if each.text != unknown})
    best = await BestOfN(n=8, verifier=judge).run(QUERY, [], context(ENGINE))
    known = sum(each.text != unknown for each in drawn)
    assert 0 < known < 8
    assert all(each.text != unknown for each in best[:known])


async def test_equal_candidates_are_judged_once() -> None:
    judge = Counting()
    best = await BestOfN(n=32, verifier=judge).run(QUERY, [], context(ENGINE))
    assert len(best) == 32
    assert sorted(judge.asked) == sorted({each.text for each in best})
    assert len(judge.asked) <= len(PATHS)


async def test_a_verifier_that_fails_leaves_the_draws() -> None:
    best = await BestOfN(n=4, verifier=Failing()).run(QUERY, [], context(ENGINE))
    assert sorted(indices(best)) == [0, 1, 2, 3]
    assert all(each.scores["failing"].value is None for each in best)


async def test_the_best_of_n_follows_the_law_of_the_order_statistic() -> None:
    """P(max <= s) = F(s)^n, for the scores of the paths by enumeration."""
    table = {path.text: round(0.1 * i, 1) for i, path in enumerate(sorted(PATHS, key=lambda path: path.text))}
    n, runs = 4, 1500
    found = {score: 0 for score in table.values()}
    for seed in range(runs):
        best = await BestOfN(n=n, verifier=ByTable(table=table)).run(QUERY, [], context(ENGINE, seed=seed))
        found[best[0].scores["table"].value] += 1
    below = 0.0
    for score in sorted(found):
        at_most = below + sum(path.probability for path in PATHS if table[path.text] == score)
        exact = at_most**n - below**n
        assert abs(found[score] / runs - exact) <= 4 * math.sqrt(exact * (1 - exact) / runs) + 1 / runs
        below = at_most


async def test_a_perfect_verifier_reaches_coverage() -> None:
    n, runs = 4, 1000
    right = 0
    for seed in range(runs):
        best = await BestOfN(n=n, verifier=ExactMatch()).run(QUERY, [], context(ENGINE, seed=seed))
        right += best[0].scores["exact_match"].value == 1.0
    exact = 1 - (1 - P) ** n
    assert abs(right / runs - exact) <= 4 * math.sqrt(exact * (1 - exact) / runs)


async def test_an_imperfect_verifier_is_not_beaten_by_more_draws() -> None:
    """With a verifier that accepts some wrong paths, accuracy tends to its precision pt / a, and no higher."""
    right = {path.text for path in PATHS if path.is_correct}
    wrong = sorted(path.text for path in PATHS if not path.is_correct)
    accepted = right | set(wrong[::2])
    judge = ByTable(table={path.text: float(path.text in accepted) for path in PATHS})
    precision = P / sum(path.probability for path in PATHS if path.text in accepted)
    n, runs = 24, 600
    good = 0
    for seed in range(runs):
        best = await BestOfN(n=n, verifier=judge).run(QUERY, [], context(ENGINE, seed=seed))
        good += best[0].text in right
    assert P < precision < 1
    assert abs(good / runs - precision) <= 4 * math.sqrt(precision * (1 - precision) / runs) + 0.02


async def test_weighted_adds_the_scores_of_one_answer() -> None:
    drawn = await Sample(n=12).run(QUERY, [], context(ENGINE))
    answers = [each.text.split()[-1] for each in drawn]
    weights = {text: 0.2 + 0.1 * i for i, text in enumerate(sorted({each.text for each in drawn}))}
    total = {a: math.fsum(weights[c.text] for c, b in zip(drawn, answers, strict=True) if a == b) for a in answers}
    best = await BestOfN(n=12, verifier=ByTable(table=weights), weighted=True).run(QUERY, [], context(ENGINE))
    assert best[0].answer == max(total, key=lambda answer: total[answer])
    groups = [answer for answer, _ in itertools.groupby(each.answer for each in best)]
    assert len(groups) == len(set(groups))
