"""What each knob does by itself, from small tables whose answer is known."""

import numpy as np
import pytest

from ponder.orchestrator.intervals import bootstrap
from ponder.search.decisions.evidence import Evidence
from ponder.search.problem import Row
from ponder.search.reports.axis_effects import axis_effects


def evidence(*tables, items=20):
    """One composition a table: a value an item, None where nothing was measured, or a list of replicates of those."""
    found = Evidence(items)
    for number, table in enumerate(tables):
        for replicate, values in enumerate(table if isinstance(table[0], list) else [table]):
            known = [i for i, value in enumerate(values) if value is not None]
            held = np.array([values[i] for i in known], dtype=float)
            found.add([Row(number, replicate, np.array(known), held, np.ones(len(known)))] if known else [])
    return found


def flat(value, items=20):
    return [value] * items


def told(effects):
    return [(e.axis, e.before, e.after, e.pairs, e.difference.items, round(e.difference.mean, 9)) for e in effects]


def test_the_mean_over_compositions_that_differ_in_one_knob_alone() -> None:
    choices = [{"n": 1, "c": False}, {"n": 2, "c": False}, {"n": 1, "c": True}, {"n": 2, "c": True}]
    found = axis_effects(choices, evidence(flat(0.2), flat(0.3), flat(0.4), flat(0.7)))
    assert told(found) == [("n", "1", "2", 2, 20, 0.2), ("c", "False", "True", 2, 20, 0.3)]


def test_numbers_are_neighbours_in_rising_order_and_words_as_they_appear() -> None:
    choices = [{"n": 16}, {"n": 2}, {"n": 4}]
    steps = [(e.before, e.after) for e in axis_effects(choices, evidence(flat(0.9), flat(0.1), flat(0.2)))]
    assert steps == [("2", "4"), ("4", "16")]
    [step] = axis_effects([{"c": True}, {"c": False}], evidence(flat(0.9), flat(0.1)))
    assert (step.before, step.after) == ("False", "True")
    choices = [{"e": "none"}, {"e": "verifier"}, {"e": "tests"}]
    steps = [(e.before, e.after) for e in axis_effects(choices, evidence(flat(0.9), flat(0.1), flat(0.2)))]
    assert steps == [("none", "verifier"), ("verifier", "tests")]


def test_a_knob_never_moved_alone_has_no_effect_to_report() -> None:
    assert axis_effects([{"n": 1, "c": 0}, {"n": 2, "c": 1}], evidence(flat(0.2), flat(0.9))) == ()
    assert axis_effects([{"n": 1}, {"m": 1}], evidence(flat(0.2), flat(0.9))) == ()
    assert axis_effects([{"n": 1}], evidence(flat(0.2))) == ()
    assert axis_effects([], Evidence(20)) == ()


def test_only_queries_that_both_of_a_pair_were_measured_on_count() -> None:
    short = [0.5] * 16 + [None] * 4
    found = axis_effects([{"n": 1}, {"n": 2}], evidence(flat(0.2), short))
    assert told(found) == [("n", "1", "2", 1, 16, 0.3)]
    assert axis_effects([{"n": 1}, {"n": 2}], evidence(flat(0.2), [0.5] * 14 + [None] * 6)) == ()
    apart = ([0.5] * 10 + [None] * 10, [None] * 10 + [0.5] * 10)
    assert axis_effects([{"n": 1}, {"n": 2}], evidence(*apart)) == ()


def test_the_query_is_the_unit_of_the_interval() -> None:
    rng = np.random.default_rng(3)
    tables = rng.random((4, 40))
    choices = [{"n": 1, "c": 0}, {"n": 2, "c": 0}, {"n": 1, "c": 1}, {"n": 2, "c": 1}]
    [effect, _] = axis_effects(choices, evidence(*tables.tolist(), items=40))
    expected = bootstrap(((tables[1] - tables[0]) + (tables[3] - tables[2])) / 2)
    assert (effect.difference.mean, effect.difference.low, effect.difference.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert effect.difference.items == 40


def test_replicates_are_averaged_before_they_are_compared() -> None:
    found = axis_effects([{"n": 1}, {"n": 2}], evidence(flat(0.0), [flat(0.0), flat(1.0)]))
    assert told(found) == [("n", "1", "2", 1, 20, 0.5)]


def test_an_interval_never_leaves_what_a_difference_can_be() -> None:
    [effect] = axis_effects([{"n": 1}, {"n": 2}], evidence(flat(0.0), flat(1.0)))
    assert (effect.difference.mean, effect.difference.high) == (1.0, 1.0)
    assert effect.difference.low < 1.0
