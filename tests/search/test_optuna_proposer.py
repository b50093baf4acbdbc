"""Optuna as a proposer: sound and new points, better with evidence, the same from the same evidence."""

import logging
import subprocess
import sys

import numpy as np

from ponder.search.decisions.evidence import Evidence
from ponder.search.decisions.optuna_proposer import OptunaProposer
from ponder.search.problem import Row
from ponder.search.spaces.domains import Choice, Floats, Integers
from ponder.search.spaces.space import Space

VERIFIER = {"kind": "numeric_match"}
SPACE = Space(
    options=(
        {
            "kind": "self_consistency",
            "n": Integers(low=1, high=256),
            "temperature": Floats(low=0.0, high=1.0, grid=101),
            "engine": Choice(values=("small", "middle", "large")),
        },
        {
            "kind": "best_of_n",
            "n": Integers(low=1, high=256),
            "temperature": Floats(low=0.0, high=1.0, grid=101),
            "verifier": VERIFIER,
        },
        {
            "kind": "pipeline",
            "stages": (
                {"kind": "sample", "n": Choice(values=(1, 8))},
                Choice(values=({"kind": "vote"}, {"kind": "sample", "n": 2})),
            ),
        },
    )
)
ITEMS = 10


class Growing:
    """The compositions of a space that were proposed so far, numbered as they came; dear ones are no part of it."""

    levels = (256.0,)
    items = ITEMS
    spent = 0.0

    def __init__(self, most_draws=256):
        self.points, self.numbers, self.most_draws = [], {}, most_draws
        self.refused = 0

    @property
    def size(self):
        return len(self.points)

    @property
    def features(self):
        return SPACE.encode(self.points)

    @property
    def families(self):
        return SPACE.families(self.points)

    def cost(self, composition):
        return float(getattr(self.points[composition].strategy, "n", 1))

    def price(self, asks):
        return 0.0

    def number(self, point):
        if getattr(point.strategy, "n", 1) > self.most_draws:
            self.refused += 1
            return None
        if point.id not in self.numbers:
            self.numbers[point.id] = len(self.points)
            self.points.append(point)
        return self.numbers[point.id]

    def proposer(self, batch=8):
        return OptunaProposer(SPACE, self.points.__getitem__, self.number, batch)


def quality(point):
    """Best with many draws of the large engine at a temperature of 0.7."""
    choices = point.choices
    if choices["option"] != 0:
        return 0.2
    right = {"small": 0.0, "middle": 0.2, "large": 0.4}[choices["0/engine"]]
    return 0.2 + right + 0.05 * np.log2(choices["0/n"]) / 2 - 0.4 * abs(choices["0/temperature"] - 0.7)


def row(number, value):
    return Row(number, 0, np.arange(ITEMS), np.full(ITEMS, np.clip(value, 0, 1)), np.ones(ITEMS))


def searched(rounds):
    """The qualities of what was proposed, a row a round."""
    problem, evidence, rng, found = Growing(), Evidence(ITEMS), np.random.default_rng(0), []
    for _ in range(rounds):
        numbers = problem.proposer().propose(problem, evidence, [], rng)
        found.append([quality(problem.points[number]) for number in numbers])
        evidence.add([row(number, quality(problem.points[number])) for number in numbers])
    return np.array(found)


def test_evidence_makes_proposals_better():
    found = searched(rounds=7)
    assert found[-3:].mean() - found[:2].mean() > 0.15
    assert found[-3:].max() > 0.75  # of 0.8


def test_every_proposal_is_sound_new_and_a_point_of_the_space():
    problem, evidence, rng = Growing(), Evidence(ITEMS), np.random.default_rng(1)
    seen = set()
    for _ in range(4):
        numbers = problem.proposer().propose(problem, evidence, [], rng)
        assert len(numbers) == len(set(numbers)) == 8 and not seen & set(numbers)
        seen.update(numbers)
        evidence.add([row(number, 0.5) for number in numbers])
    for point in problem.points:
        assert SPACE.point(point.choices).id == point.id


def test_what_is_no_part_of_the_problem_is_refused_before_anything_is_measured():
    problem, rng = Growing(most_draws=40), np.random.default_rng(2)
    numbers = problem.proposer(batch=4).propose(problem, Evidence(ITEMS), [], rng)
    assert len(numbers) == 4 and problem.refused > 0
    assert all(problem.cost(number) <= 40 for number in numbers)
    assert Growing(most_draws=0).proposer(batch=2).propose(problem, Evidence(ITEMS), [], rng) == []


def test_a_space_that_is_known_whole_has_nothing_to_propose():
    space = Space(options=({"kind": "self_consistency", "n": Integers(low=1, high=8, log=True)},))
    points = space.enumerate()
    index = {point.id: number for number, point in enumerate(points)}
    problem, evidence, rng = Growing(), Evidence(ITEMS), np.random.default_rng(3)
    proposer = OptunaProposer(space, points.__getitem__, lambda point: index[point.id])
    evidence.add([row(0, 0.2), row(1, 0.3)])
    assert sorted(proposer.propose(problem, evidence, [], rng)) == [2, 3]
    evidence.add([row(2, 0.4), row(3, 0.5)])
    assert proposer.propose(problem, evidence, [], rng) == []


def test_the_same_evidence_and_seed_propose_the_same():
    once, again = Growing(), Growing()
    chosen = [
        [
            problem.points[n].id
            for n in problem.proposer().propose(problem, Evidence(ITEMS), [], np.random.default_rng(9))
        ]
        for problem in (once, again)
    ]
    assert chosen[0] == chosen[1]


def test_it_leaves_the_log_of_optuna_as_it_was(caplog):
    import optuna

    before = optuna.logging.get_verbosity()
    problem = Growing()
    with caplog.at_level(logging.DEBUG):
        problem.proposer(batch=1).propose(problem, Evidence(ITEMS), [], np.random.default_rng(0))
    assert optuna.logging.get_verbosity() == before
    assert not caplog.records


def test_without_optuna_the_extra_is_named():
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import numpy as np\n"
        "from ponder.search.decisions.evidence import Evidence\n"
        "from ponder.search.decisions.optuna_proposer import OptunaProposer\n"
        "from ponder.search.spaces.space import Space\n"
        "space = Space(options=({'kind': 'sample'},))\n"
        "proposer = OptunaProposer(space, None, None)\n"
        "proposer.propose(None, Evidence(1), [], np.random.default_rng(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith('optuna must be installed, but is not; pip install "ponder[search]"')
