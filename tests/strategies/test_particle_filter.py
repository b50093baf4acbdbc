"""Particle filtering: exact weights, an unbiased estimate, and what is never lost."""

import itertools
import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from making import ByTable, Counting, context
from tabled import LastNumber, Tabled
from whole_numbers import SCORES, Digits, now, stream, whole_numbers

from ponder.orchestrator.types import Finish, Query
from ponder.strategies import ParticleFilter, ParticleGibbs
from ponder.strategies.allocation import resample, softmax
from ponder.strategies.level_search import Level, Node, search
from ponder.strategies.particle_weights import effective_size, log_potential, tempered

JUDGE = Counting()
QUERY = Query.ask("Problem 3?")
SCHEMES = ("systematic", "stratified", "multinomial", "residual")


def particle(i: int, score: float | None, parent: Node[int] | None = None) -> Node[int]:
    return Node(0, i, score, False, i, 1.0, parent, i)


def level(scores, room: int | None = None, seed: int = 0, depth: int = 1) -> Level[int]:
    nodes = [particle(i, score) for i, score in enumerate(scores)]
    return Level(nodes, [], room or len(nodes), depth, np.random.default_rng(seed))


def copies(scores, seed: int = 0, room: int | None = None, **knobs) -> list[int]:
    return ParticleFilter(verifier=JUDGE, **knobs).allocator().allocate(level(scores, room, seed))


def test_potentials_are_clipped_odds_probabilities_or_exponentials() -> None:
    assert log_potential(0.75) == pytest.approx(math.log(3))
    assert log_potential(0.25, "probability") == pytest.approx(math.log(0.25))
    assert log_potential(-7.5, "exponential") == -7.5
    assert log_potential(1.0) == pytest.approx(math.log(1e7)) == -log_potential(0.0)
    assert log_potential(None) == -math.inf


def test_the_effective_size_is_between_one_and_all() -> None:
    random = Random(0)
    for _ in range(200):
        shares = softmax([random.gauss(0, 3) for _ in range(random.randint(1, 20))])
        assert 1 - 1e-9 <= effective_size(shares) <= len(shares) + 1e-9
    assert effective_size([0.5, 0.5, 0.0]) == 2.0


def test_tempering_flattens_what_one_particle_has_too_early() -> None:
    weights, plain = [5.0, 0.0, 0.0, 0.0], softmax([5.0, 0.0, 0.0, 0.0])
    size = effective_size(plain)
    assert tempered(weights, "none", 0.1) == plain
    assert tempered(weights, "ess", 0.1) == softmax(weights, 4 / size * 0.9)
    assert tempered(weights, "linear", 0.1) == softmax(weights, 1.9)
    entropy = -sum(share * math.log(share) for share in plain) / math.log(4)
    assert tempered(weights, "entropy", 0.1) == pytest.approx(softmax(weights, 1 / (entropy + (1 - entropy) * 0.1)))
    for tempering in ("ess", "entropy", "linear"):
        assert tempered(weights, tempering, 0.5) == plain, "not in the second half"
        assert tempered([1.0, 0.9, 1.1], tempering, 0.1) == softmax([1.0, 0.9, 1.1]), "not where many have weight"
        assert tempered([0.0], tempering, 0.1) == (1.0,)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_are_unbiased(scheme) -> None:
    scores, runs = [0.9, 0.5, 0.4, 0.2], 4000
    odds = [score / (1 - score) for score in scores]
    found = np.array([copies(scores, seed, threshold=1.0, resampling=scheme) for seed in range(runs)])
    assert set(found.sum(axis=1)) == {4}
    exact = np.array([4 * each / sum(odds) for each in odds])
    assert np.all(abs(found.mean(axis=0) - exact) <= 4.5 * found.std(axis=0) / math.sqrt(runs) + 1e-9)


def test_copies_are_drawn_as_the_scheme_says() -> None:
    """Each by its own law from the same random numbers, and no two schemes alike."""
    scores, found = [0.7, 0.6, 0.5, 0.3, 0.2], {}
    shares = softmax([log_potential(score) for score in scores])
    for scheme in SCHEMES:
        found[scheme] = [copies(scores, seed, threshold=1.0, resampling=scheme) for seed in range(40)]
        assert found[scheme] == [resample(5, shares, np.random.default_rng(seed), scheme) for seed in range(40)]
    assert all(found[one] != found[other] for one, other in itertools.combinations(SCHEMES, 2))


def test_equal_weights_are_left_as_they_are() -> None:
    for threshold in (0.5, 1.0):
        assert copies([0.5] * 5, threshold=threshold) == [1] * 5
        assert copies([None] * 5, threshold=threshold) == [1] * 5


def test_weights_are_left_alone_until_few_particles_hold_them() -> None:
    scores = [0.6, 0.5, 0.5, 0.4]
    assert copies(scores, threshold=0.5) == [1, 1, 1, 1]
    assert copies([0.999, 0.5, 0.5, 0.4], threshold=0.5) == [4, 0, 0, 0]
    assert copies([0.999, 0.5, 0.5, 0.4], threshold=0.0) == [1, 1, 1, 1]


def test_what_cannot_be_told_has_no_copies_where_something_can() -> None:
    for seed in range(50):
        assert copies([None, 0.5, None, 0.5], seed, threshold=1.0)[::2] == [0, 0]


def test_copies_of_lost_particles_are_made_up_for() -> None:
    assert sum(copies([0.9, 0.1], room=4, threshold=1.0)) == 4


@pytest.mark.parametrize("weight", ["reset", "incremental"])
def test_a_weight_is_the_current_potential_or_what_it_has_become(weight) -> None:
    """Where nothing was resampled, the potential; after a copy, its ratio to the parent's, times the mean weight."""
    knobs = ParticleFilter(verifier=JUDGE, weight=weight, threshold=0.0)
    particles, first = knobs.allocator(), level([0.8, 0.5])
    particles.allocate(first)
    assert particles.log_weight(particle(2, 0.9, first.nodes[0])) == pytest.approx(log_potential(0.9))
    resampled = knobs.model_copy(update={"threshold": 1.0}).allocator()
    counts = resampled.allocate(first)
    parent = first.nodes[counts.index(max(counts))]
    ratio = log_potential(0.9) - log_potential(parent.score)
    mean = math.log((4 + 1) / 2)
    found = resampled.log_weight(particle(2, 0.9, parent))
    assert found == pytest.approx(log_potential(0.9) if weight == "reset" else ratio + mean)


def estimates(runs: int, n: int = 4, **knobs) -> np.ndarray:
    """The mean of the final weights, in each of so many filters."""
    filter_ = ParticleFilter(n=n, verifier=JUDGE, weight="incremental", max_steps=3, **knobs)
    random, rng, found = Random(1), stream(1), []
    for _ in range(runs):
        particles = filter_.allocator()
        end = now(search(Digits(random), particles, n=n, depth=3, rng=rng))
        found.append(sum(math.exp(particles.log_weight(node)) for node in (*end.ended, *end.unfinished)) / n)
    return np.array(found)


@pytest.mark.parametrize(
    "knobs",
    [
        {"threshold": 1.0},
        {"threshold": 1.0, "resampling": "multinomial", "potential": "probability"},
        {"threshold": 1.0, "resampling": "residual"},
        {"threshold": 0.9, "resampling": "stratified", "potential": "exponential"},
        {"threshold": 1.0, "tempering": "linear", "n": 8},
    ],
    ids=lambda knobs: "-".join(map(str, knobs.values())),
)
def test_the_mean_weight_is_an_unbiased_estimate(knobs) -> None:
    """E[mean of the final weights] = sum of p(x) potential(x), with paths of one, two and three steps."""
    potential = knobs.get("potential", "odds")
    exact = sum(p * math.exp(log_potential(SCORES[x], potential)) for x, p in whole_numbers().items())
    found = estimates(3000, **knobs)
    assert abs(found.mean() - exact) <= 4.5 * found.std() / math.sqrt(len(found))


async def test_nothing_is_resampled_after_the_last_step() -> None:
    """With one step and four particles each comes back once, the best first, whatever the weights."""
    engine = Tabled({"": ["3", "8", "5", "1"]})
    judge = ByTable(table={"3": 0.3, "8": 0.999999, "5": 0.5, "1": 0.1})
    for seed in range(20):
        strategy = ParticleFilter(n=4, threshold=1.0, resampling="multinomial", verifier=judge)
        found = await strategy.run(QUERY, [], context(engine, seed=seed))
        assert [each.text for each in found] == ["8", "5", "3", "1"]


async def test_particles_that_have_ended_are_never_copied_or_lost() -> None:
    """A short particle of the highest weight stays one; the others go on in its presence."""
    engine = Tabled({"": ["9", "2\n", "1\n"], "2\n": ["4", "5"], "1\n": ["4", "5"]})
    judge = ByTable(table={"9": 0.99, "2\n": 0.6, "1\n": 0.4, "2\n4": 0.7, "2\n5": 0.8, "1\n4": 0.2, "1\n5": 0.3})
    found = await ParticleFilter(n=3, threshold=1.0, verifier=judge).run(QUERY, [], context(engine))
    assert [each.text for each in found].count("9") == 1
    assert len(found) == 3


async def test_candidates_carry_their_part_of_the_weight() -> None:
    engine = Tabled({"": ["1", "2", "3"]})
    judge = ByTable(table={"1": 0.5, "2": 0.75, "3": 0.5})
    found = await ParticleFilter(n=3, verifier=judge).run(QUERY, [], context(engine))
    assert [(each.text, each.scores["particle_weight"].value) for each in found] == [
        ("2", pytest.approx(0.6)),
        ("1", pytest.approx(0.2)),
        ("3", pytest.approx(0.2)),
    ]


async def test_what_cannot_be_told_weighs_nothing_and_comes_last() -> None:
    engine = Tabled({"": ["none", "2", "nothing"]})
    found = await ParticleFilter(n=3, potential="exponential", verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["2", "none", "nothing"]
    assert [each.scores["particle_weight"].value for each in found] == [1.0, 0.0, 0.0]


async def test_one_may_be_drawn_by_weight() -> None:
    engine = Tabled({"": ["1", "2"]})
    strategy = ParticleFilter(n=2, select="sample", verifier=ByTable(table={"1": 0.5, "2": 0.75}))
    runs = 600
    first = Counter([(await strategy.run(QUERY, [], context(engine, seed=seed)))[0].text for seed in range(runs)])
    assert abs(first["2"] / runs - 0.75) <= 4 * math.sqrt(0.75 * 0.25 / runs)


async def test_answers_may_vote_by_weight() -> None:
    engine = Tabled({"": ["answer: 1", "by another way answer: 1", "answer: 2"]})
    judge = ByTable(table={"answer: 1": 0.6, "by another way answer: 1": 0.6, "answer: 2": 0.7})
    strategy = ParticleFilter(n=3, choose="weighted_vote", verifier=judge)
    found = await strategy.run(QUERY, [], context(engine))
    assert [each.answer for each in found] == ["1", "1", "2"]


async def test_particles_cut_at_the_last_step_keep_their_weight() -> None:
    engine = Tabled({"": ["1", "2\n"], "2\n": ["3\n"]})
    judge = ByTable(table={"1": 0.5, "2\n": 0.6, "2\n3\n": 0.75})
    found = await ParticleFilter(n=2, max_steps=2, verifier=judge).run(QUERY, [], context(engine))
    assert [(each.text, each.finish) for each in found] == [("1", Finish.EOS), ("2\n3\n", Finish.TOTAL_LENGTH)]
    assert [each.scores["particle_weight"].value for each in found] == [pytest.approx(0.25), pytest.approx(0.75)]


@pytest.mark.parametrize("strategy", [ParticleFilter, ParticleGibbs])
async def test_scores_that_are_no_probabilities_are_noted(strategy) -> None:
    for potential, is_noted in (("odds", True), ("probability", True), ("exponential", False)):
        ctx = context(Tabled({"": ["2", "7"]}))
        await strategy(n=2, potential=potential, verifier=LastNumber()).run(QUERY, [], ctx)
        assert ("must be in [0, 1], got 2" in ctx._run.reason) is is_noted
