"""Self-consistency: the most frequent answer wins, with the chance that enumeration gives it."""

import itertools
import math

from making import context

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import Sample, SelfConsistency

WORLD = World(seed=1, steps=2, branching=3, wrong_answers=2)
ENGINE = SimulatedSpec(world=WORLD).open()
QUERY = Query.ask("Problem 3?")
RIGHT = str(WORLD.problem(QUERY.messages).answer)


async def test_one_draw_is_its_own_vote() -> None:
    voted = await SelfConsistency(n=1).run(QUERY, [], context(ENGINE))
    drawn = await Sample(n=1).run(QUERY, [], context(ENGINE))
    assert [each.text for each in voted] == [each.text for each in drawn]
    assert voted[0].answer == drawn[0].text.split()[-1]


async def test_all_draws_come_back() -> None:
    voted = await SelfConsistency(n=7).run(QUERY, [], context(ENGINE))
    assert sorted(each.index for each in voted) == list(range(7))


async def test_accuracy_is_that_of_the_multinomial_law() -> None:
    law: dict[str, float] = {}
    for path in WORLD.paths(QUERY):
        law[path.answer] = law.get(path.answer, 0.0) + path.probability
    n, runs = 5, 1500
    exact = sum(
        math.prod(law[a] for a in drawn) for drawn in itertools.product(law, repeat=n) if _winner(drawn) == RIGHT
    )
    right = 0
    for seed in range(runs):
        voted = await SelfConsistency(n=n).run(QUERY, [], context(ENGINE, seed=seed))
        right += voted[0].answer == RIGHT
    assert abs(right / runs - exact) <= 4 * math.sqrt(exact * (1 - exact) / runs)


async def test_where_nobody_answers_the_texts_come_back() -> None:
    voted = await SelfConsistency(n=3, max_tokens=4).run(QUERY, [], context(ENGINE))
    assert [(each.answer, each.text) for each in voted] == [(None, "step")] * 3


def _winner(drawn: tuple[str, ...]) -> str:
    """The most frequent; of equals, the first drawn."""
    return max(dict.fromkeys(drawn), key=lambda answer: (drawn.count(answer), -drawn.index(answer)))
