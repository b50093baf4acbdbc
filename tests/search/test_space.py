"""Spaces: conditional, linked and repeated domains, enumeration against brute force, neighbours, rows and files."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.pipeline import Pipeline
from ponder.search.spaces.domains import Choice, Floats, Integers, Prefix, Repeat, Same
from ponder.search.spaces.presets import adaptive_space, archon_space, best_of_n_space, stepwise_space
from ponder.search.spaces.space import Space
from ponder.strategies import Ensemble, Fuse, Ranker, Sample, SelfConsistency

REWARD = {"kind": "process_reward"}
JUDGED = Choice(values=(REWARD, {"kind": "scalar_judge", "votes": Integers(low=1, high=4, log=True)}), name="verifier")
SMALL = Space(
    options=(
        {"kind": "self_consistency", "n": Integers(low=1, high=4, log=True), "engine": Choice(values=("a", "b"))},
        {"kind": "best_of_n", "n": Integers(low=1, high=4, log=True), "verifier": JUDGED},
    )
)
LAYERED = Space(
    options=(
        {
            "kind": "pipeline",
            "stages": [
                {"kind": "sample", "n": Integers(low=2, high=6, step=2)},
                Repeat(
                    low=0,
                    high=2,
                    of=(
                        Choice(values=([], [{"kind": "critic", "engine": Choice(values=("a", "b"))}]), name="critic"),
                        {"kind": "fuse", "n": Integers(low=1, high=2)},
                    ),
                    name="layers",
                ),
                Same(name="critic"),
                {"kind": "vote"},
            ],
        },
    ),
    most_candidates=4,
)
SPACES = {
    "small": SMALL,
    "layered": LAYERED,
    "archon": archon_space(("a", "b"), samples=3, layers=2, most_candidates=4),
    "best of n": best_of_n_space(("a", "b"), most=8),
    "stepwise": stepwise_space(most=8),
    "adaptive": adaptive_space(("a", "b"), most=8),
}
each_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def kinds(strategy: Any) -> str:
    return " ".join(node.strategy.kind for node in getattr(strategy, "nodes", ())) or strategy.kind


def test_conditional_domains_belong_to_the_value_that_holds_them() -> None:
    votes = "verifier/1/votes"
    points = SMALL.enumerate()
    judged = [point.choices for point in points if point.choices["option"] == 1]
    ways = ((0, None), (1, 1), (1, 2), (1, 4))
    once = (1, 0, None)  # a draw of which nothing is chosen, whoever would judge
    assert [(c["1/n"], c["verifier"], c.get(votes)) for c in judged] == [
        once,
        *((n, *way) for n in (2, 4) for way in ways),
    ]
    assert SMALL.combinations == 3 * 2 + 3 * (1 + 3)
    assert SMALL.size == len(points) == 3 * 2 + 1 + 2 * (1 + 3)


def test_linked_and_repeated_domains_take_one_value_everywhere() -> None:
    choices = {"0/stages/0/n": 2, "layers": 2, "critic": 1, "critic/1/0/engine": "b", "layers/of/1/n": 2}
    strategy = LAYERED.written(choices)
    assert kinds(strategy) == "sample critic fuse critic fuse critic vote"
    assert {node.strategy.engine for node in strategy.nodes if node.strategy.kind == "critic"} == {"b"}
    assert [node.strategy.n for node in strategy.nodes if node.strategy.kind == "fuse"] == [2, 2]


def test_domains_left_out_take_their_first_value_and_those_not_there_are_dropped() -> None:
    point = LAYERED.point({"layers": 0, "layers/of/1/n": 2})
    assert dict(point.choices) == {"0/stages/0/n": 2, "layers": 0, "critic": 0}
    assert kinds(point.strategy) == "sample vote"


def test_a_prefix_takes_the_first_of_its_ranking() -> None:
    members = Prefix(values=tuple({"kind": "sample", "engine": name} for name in "abc"), low=2)
    stages = ({"kind": "ensemble", "members": members}, {"kind": "vote"})
    space = Space(options=({"kind": "pipeline", "stages": stages},))
    found = [point.strategy.nodes[0].strategy.engine_names() for point in space.enumerate()]
    assert found == [("a", "b"), ("a", "b", "c")]
    assert [dict(point.choices) for point in space.enumerate()] == [{"0/stages/0/members": k} for k in (2, 3)]


def test_of_combinations_that_do_the_same_the_first_counts() -> None:
    space = Space(
        options=({"kind": "sample"}, {"kind": "self_consistency", "n": 1}, {"kind": "pipeline", "stages": [Sample()]})
    )
    assert [(point.strategy, dict(point.choices)) for point in space.enumerate()] == [(Sample(), {"option": 0})]
    assert space.combinations == 3


def test_refused_points_name_slot_rule_and_remedy() -> None:
    found = {(each.slot, each.rule, each.remedy) for each in LAYERED.refused()}
    crowded = "at most 4 candidates may be handed on, but it is given up to 6"
    narrower = "draw fewer, or put a rank or a ranker that keeps fewer before it"
    unused = "its critique must be used by what comes after it, but nothing does"
    reader = "put a ranker or a fuse after it, or take it out"
    assert {(slot, crowded, narrower) for slot in ("vote_1", "fuse_1", "critic_1")} <= found
    assert {(slot, unused, reader) for slot in ("critic_1", "critic_3", "critic_5")} <= found
    odd = Space(options=({"kind": "dvts", "n": Integers(low=3, high=4), "verifier": REWARD},))
    assert [(each.slot, each.remedy, dict(each.choices)) for each in odd.refused()] == [("dvts", "take 4", {"0/n": 3})]
    assert "n of dvts must be a multiple of beam_width 4, got 3" in odd.refused()[0].rule
    wrong = Space(options=({"kind": "pipeline", "stages": [Sample(), {"kind": "fuse", "n": Integers(low=0, high=1)}]},))
    assert [(each.slot, dict(each.choices)) for each in wrong.refused()] == [("fuse_1", {"0/stages/1/n": 0})]
    with pytest.raises(ShapeError, match="node 'fuse_1'"):
        wrong.point({})


@each_space
def test_enumeration_is_brute_force(space: Space) -> None:
    axes = {key: axis.domain.labels for key, axis in space._axes.items()}
    brute, refused = set(), 0
    for values in itertools.product(*axes.values()):
        try:
            brute.add(space.point(dict(zip(axes, values, strict=True))).id)
        except ShapeError:
            refused += 1
    points = space.enumerate()
    assert {point.id for point in points} == brute
    assert len(points) == len(brute) == space.size
    assert all(point.id == point.strategy.id for point in points)
    assert bool(refused) == bool(space.refused())


HEAT = Choice(values=(0.5, 1.0), name="heat")
VOTES = Integers(low=1, high=2, name="votes")
heats = st.sampled_from([0.7, HEAT, Same(name="heat"), Floats(low=0.1, high=0.2, grid=2)])
votes = st.sampled_from([1, VOTES, Same(name="votes"), Integers(low=1, high=2)])
judges = st.builds(lambda heat, votes: {"kind": "scalar_judge", "temperature": heat, "votes": votes}, heats, votes)
verifiers = st.builds(
    lambda judge, is_open: Choice(values=(REWARD, judge)) if is_open else judge, judges, st.booleans()
)
stages = st.builds(lambda verifier, heat: {"kind": "rank", "verifier": verifier, "keep": 2}, verifiers, heats)
repeated = st.builds(lambda of, low: Repeat(low=low, high=2, of=of), st.tuples(stages), st.integers(0, 1))
optional = st.builds(lambda stage: Choice(values=([], [stage])), stages)


@given(
    heats,
    votes,
    st.lists(st.one_of(stages, repeated, optional), max_size=2),
    st.builds(lambda heat, votes, verifier: (heat, votes, verifier), heats, votes, verifiers),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_space_is_what_going_through_all_its_domains_gives(heat, vote, stages, other) -> None:
    drawn = {"kind": "ensemble", "members": [{"kind": "sample", "temperature": HEAT}, {"kind": "sample", "n": VOTES}]}
    pipeline = {"kind": "pipeline", "stages": [drawn, *stages, {"kind": "vote"}]}
    alone = {"kind": "best_of_n", "n": vote, "temperature": heat, "verifier": other[2]}
    space = Space(options=(pipeline, alone))
    axes = {key: axis.domain.labels for key, axis in space._axes.items()}
    distinct, ids = set(), set()
    for values in itertools.product(*axes.values()):
        try:
            point = space.point(dict(zip(axes, values, strict=True)))
        except ShapeError:
            continue
        distinct.add(frozenset(point.choices.items()))
        ids.add(point.id)
    assert len(distinct) + len(space.refused()) == space.combinations
    assert {point.id for point in space.enumerate()} == ids
    assert [space.decode(row) for row in space.encode(space.enumerate())] == space.enumerate()


@each_space
def test_a_point_comes_back_from_its_row(space: Space) -> None:
    points = space.enumerate()
    rows = space.encode(points)
    assert rows.shape == (len(points), len(space.columns))
    assert rows.min() >= 0
    assert rows.max() <= 1
    assert [space.decode(row) for row in rows] == points


@each_space
def test_neighbours_differ_in_one_domain_and_ordered_ones_both_ways(space: Space) -> None:
    for point in space.enumerate()[::7]:
        for other in space.neighbours(point):
            assert other.id != point.id
            shared = point.choices.keys() & other.choices.keys()
            assert sum(point.choices[key] != other.choices[key] for key in shared) == 1
            if point.choices.keys() == other.choices.keys():
                assert point.id in {back.id for back in space.neighbours(other)}


def test_neighbours_step_along_what_is_ordered_and_swap_what_is_not() -> None:
    space = best_of_n_space(("a", "b", "c"), most=8, temperatures=(0.5, 0.7, 1.0))
    point = space.point({"option": 0, "engine": "b", "temperature": 0.5, "n": 4})
    found = [dict(other.choices) for other in space.neighbours(point)]
    here = {"option": 0, "engine": "b", "temperature": 0.5, "n": 4}
    assert found == [
        here | {"option": 1, "verifier": 0, "weighted": False},
        here | {"engine": "a"},
        here | {"engine": "c"},
        here | {"temperature": 0.7},
        here | {"n": 2},
        here | {"n": 8},
    ]


def test_rows_say_what_a_point_has() -> None:
    assert SMALL.columns == (
        "option=0",
        "option=1",
        "0/n",
        "has 0/n",
        "0/engine=a",
        "0/engine=b",
        "has 0/engine",
        "1/n",
        "has 1/n",
        "verifier=0",
        "verifier=1",
        "has verifier",
        "verifier/1/votes",
        "has verifier/1/votes",
    )
    point = SMALL.point({"option": 1, "1/n": 2, "verifier": 1, "verifier/1/votes": 4})
    assert SMALL.encode([point]).tolist() == [[0, 1, 0, 0, 0, 0, 0, 0.5, 1, 0, 1, 1, 1, 1]]


def test_a_row_between_points_is_the_nearest() -> None:
    space = Space(options=({"kind": "self_consistency", "n": Integers(low=1, high=64, log=True)},))
    assert [space.decode(np.array([x])).choices["0/n"] for x in (-1.0, 0.4, 0.6, 2.0)] == [1, 4, 16, 64]


def test_families_differ_in_what_has_no_order() -> None:
    points = [SMALL.point({"option": 0, "0/engine": engine, "0/n": n}) for engine in ("b", "a") for n in (1, 2, 4)] + [
        SMALL.point({"option": 1, "1/n": 2, "verifier": 1, "verifier/1/votes": votes}) for votes in (1, 4)
    ]
    assert SMALL.families(points).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


@each_space
def test_a_sample_holds_different_points_of_the_space(space: Space) -> None:
    everything = {point.id for point in space.enumerate()}
    drawn = space.sample(np.random.default_rng(3), 10)
    assert len({point.id for point in drawn}) == 10
    assert {point.id for point in drawn} <= everything
    assert [p.id for p in drawn] == [p.id for p in space.sample(np.random.default_rng(3), 10)]


def test_a_sample_of_more_than_there_is_is_all() -> None:
    assert {p.id for p in SMALL.sample(np.random.default_rng(0), 99)} == {p.id for p in SMALL.enumerate()}


def test_a_sample_gives_every_value_its_share() -> None:
    drawn = [SMALL.sample(np.random.default_rng(seed), 1)[0] for seed in range(300)]
    share = sum(point.choices["option"] == 0 for point in drawn) / 300
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 300)


def test_a_space_too_large_to_enumerate_says_so_and_is_sampled() -> None:
    vast = Space(
        options=(
            {
                "kind": "pipeline",
                "stages": [
                    {
                        "kind": "sample",
                        "n": Integers(low=2, high=64),
                        "temperature": Floats(low=0.1, high=1.5, grid=100),
                    },
                    {
                        "kind": "fuse",
                        "top_p": Floats(low=0.1, high=1, grid=100),
                        "max_tokens": Integers(low=1, high=999),
                    },
                ],
            },
        )
    )
    assert vast.combinations == 63 * 100 * 100 * 999
    with pytest.raises(UsageError, match="at most 10000 combinations, got 629370000 or more; sample from it"):
        vast.enumerate()
    with pytest.raises(UsageError, match="at most 5 combinations, got 6 or more"):
        SMALL.refused(limit=5)
    assert len(vast.sample(np.random.default_rng(1), 20)) == 20
    critic = {"kind": "critic", "engine": Choice(values=("a", "b"))}
    stages = (Sample(n=2), *(Choice(values=([], [critic])) for _ in range(40)), {"kind": "ranker"})
    with pytest.raises(UsageError, match="at most 50 combinations"):  # of 3^40, which nobody counts
        Space(options=({"kind": "pipeline", "stages": stages},)).enumerate(limit=50)


@each_space
def test_a_space_comes_back_from_its_file(space: Space, tmp_path) -> None:
    space.save(tmp_path / "space.toml")
    assert Space.load(tmp_path / "space.toml") == space
    assert Space.model_validate_json(space.model_dump_json()) == space


def test_none_can_be_a_value_but_not_in_toml(tmp_path) -> None:
    stages = (Sample(n=4), {"kind": "ranker", "keep": Choice(values=(None, 2))}, Fuse())
    space = Space(options=({"kind": "pipeline", "stages": stages},))
    assert [point.strategy.nodes[1].strategy.keep for point in space.enumerate()] == [None, 2]
    assert Space.model_validate_json(space.model_dump_json()) == space
    with pytest.raises(UsageError, match="must not be None in TOML"):
        space.save(tmp_path / "space.toml")


def test_another_limit_makes_another_space() -> None:
    assert LAYERED.size < LAYERED.model_copy(update={"most_candidates": None}).size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (({"kind": "sample", "engine": Same(name="model")},), r"name a domain of the space \(none\), got 'model'"),
        (
            ({"kind": "sample", "engine": Choice(values=("a", Same(name="model")), name="model")},),
            "must not stand within itself, but 'model' does",
        ),
        (
            (
                {"kind": "sample", "n": Integers(low=1, high=2, name="n")},
                {"kind": "self_consistency", "n": Integers(low=1, high=3, name="n")},
            ),
            "a name must mean one domain, but 'n' means two",
        ),
        (({"kind": "sample", "n": Integers(low=1, high=2, name="option")},), "no domain may be named 'option'"),
        (({"kind": "sample", "n": {"kind": "integers", "low": 1}},), "high: Field required"),
    ],
)
def test_what_is_no_space_is_refused(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        Space(options=options)


def test_a_value_that_no_domain_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"choices must name domains of the space \(option, 0/n, .*\), got n; mend it"):
        SMALL.point({"n": 2})
    with pytest.raises(UsageError, match=r"must be one of \[1, 2, 4\], got 3"):
        SMALL.point({"0/n": 3})


def test_whatever_a_grid_says_a_space_says_too() -> None:
    over = {"n": (2, 4), "weighted": (False, True), "verifier": (REWARD, {"kind": "exact_match"})}
    table = {"kind": "best_of_n"} | {knob: Choice(values=values) for knob, values in over.items()}
    found = [point.strategy for point in Space(options=(table,)).enumerate()]
    expected = [(n, weighted, verifier["kind"]) for n, weighted, verifier in itertools.product(*over.values())]
    assert [(each.n, each.weighted, each.verifier.kind) for each in found] == expected


def test_a_space_without_a_sound_point_says_why() -> None:
    space = Space(options=({"kind": "best_of_m"}, Sample(n=2)))
    assert [(each.slot, each.remedy) for each in space.refused()][1:] == [
        ("sample", "let it give one, or put a vote, a rank or a ranker after it")
    ]
    with pytest.raises(UsageError, match=r"of 2 combinations none is; in the first, node 'best_of_m': .* 'best_of_n'"):
        space.enumerate()
    for option, said in ((3, "must be a table with a kind, got 3; "), ({"kind": "sample", "m": 1}, "m: Extra inputs")):
        with pytest.raises(UsageError, match=said) as caught:
            Space(options=(option,)).enumerate()
        assert str(caught.value).count(said) == 1
    for table in ({"kind": ["sample"]}, {"kind": "pipeline", "stages": 3}):
        assert len(Space(options=(table,)).refused()) == 1


def test_models_stand_for_their_tables(tmp_path) -> None:
    ranked = Pipeline.series(Sample(n=4), Ranker())
    Space(options=(ranked,)).save(tmp_path / "space.toml")
    assert Space.load(tmp_path / "space.toml") == Space(options=(ranked,))
    space = Space(options=(SelfConsistency(n=2), Ensemble(members=(Sample(), Sample(engine="b")))))
    assert [point.strategy for point in space.enumerate()] == [SelfConsistency(n=2)]
    assert [each.slot for each in space.refused()] == ["ensemble"]
