"""No two verifiers that may score differently have one name, under which their scores would replace one another."""

from itertools import pairwise
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from test_verifiers import CASES

from ponder.orchestrator.engines.image_models import GaussianClassifier, PixelSpread
from ponder.orchestrator.errors import UsageError
from ponder.testing.image_world import MEANS
from ponder.verifiers import (
    VERIFIERS,
    Calibrated,
    Confidence,
    ExactMatch,
    Function,
    IsotonicMap,
    NumericMatch,
    PlattMap,
    ProcessReward,
    RegexMatch,
    Rubric,
    ScalarJudge,
    SymbolicAnswer,
    TextAnswer,
    Verifier,
    WeightedEnsemble,
)

BY_HAND: dict[str, tuple[Any, ...]] = {
    "aggregate": ("geometric_mean",),
    "answer": (TextAnswer(), SymbolicAnswer(cpu_s=5)),
    "card": ("math-shepherd", "classifier", {"column": 0}, {"column": 0, "separator": ";"}),
    "group": (None, 0),
    "json_schema": ({"type": "array"},),
    "labels": (("a", "b"), {"a": 0.0, "b": 1.0}),
    "limits": ({"wall_s": 1},),
    "map": (PlattMap(slope=3, offset=-1, on="log_odds"), IsotonicMap(scores=(0.1,), chances=(0.1,))),
    "members": ((ProcessReward(engine="other"), ExactMatch()), (ExactMatch(),)),
    "knots": (((0.1, 0.5), (0, 1)), ((0.1, 0.8),)),
    "weights": ((1, 5), (5,)),
    "verifier": (ProcessReward(card="math-shepherd"),),
    "engine": ("another",),
    "model": (PixelSpread(), GaussianClassifier(means=MEANS, variance=3.0)),
    "meta_engine": ("another", None),
    "function": ("json:dumps",),
    "flags": (("ascii",),),
    "items": (("It is short.",), ("It is short.", "It is long.")),
    "tests": ((2, 5), "public"),
    "schedule": ("knockout", "swiss"),
}
COUNTS_NOT = {("confidence", "window"), ("weighted", "scale")}
"""Knobs that need not count: of a window a mean over all tokens is free, and the scale is that of the members."""


def others(value: object, annotation: object, name: str) -> list[Any]:
    """Values that a knob might have instead."""
    literals = [each for each in get_args(annotation) if isinstance(each, str | bool)]
    guesses = [*BY_HAND.get(name, ()), *literals]
    if isinstance(value, bool):
        guesses.append(not value)
    elif isinstance(value, int | float):
        guesses += [value + 1, value - 1, value / 2, value + 0.25]
    elif isinstance(value, str):
        guesses.append(value + " x")
    return [*guesses, 1, 0.5, "x", ("x",)]


def changes(verifier: Verifier) -> dict[str, Verifier]:
    """For each knob, the verifier with another value there."""
    found: dict[str, Verifier] = {}
    given = {name: getattr(verifier, name) for name in type(verifier).model_fields if name in verifier.model_fields_set}
    for name, field in type(verifier).model_fields.items():
        for other in others(getattr(verifier, name), field.annotation, name):
            try:
                made = type(verifier).model_validate({**given, name: other})
            except (ValidationError, UsageError):
                continue
            if made != verifier and name not in found:
                found[name] = made
    return found


@pytest.mark.parametrize("kind", VERIFIERS.names())
def test_every_knob_changes_the_name(kind: str) -> None:
    seen: set[str] = set()
    for verifier in [each for case, (each, _) in CASES.items() if case.partition("-")[0] == kind]:
        made = changes(verifier)
        seen |= made.keys()
        alike = [name for name, other in made.items() if other.name == verifier.name and (kind, name) not in COUNTS_NOT]
        assert alike == [], verifier
    free = {"kind", *(name for of, name in COUNTS_NOT if of == kind)}
    assert seen | free == set(VERIFIERS[kind].model_fields), "each knob must have been changed"


def test_the_cases_have_names_of_their_own() -> None:
    names = {verifier.name for verifier, _ in CASES.values()}
    assert len(names) == len(CASES)


ALIKE = [
    [ExactMatch(answer=SymbolicAnswer(cpu_s=cpu_s)) for cpu_s in (1, 2)],
    [Rubric(items=(item,)) for item in ("It is short.", "It is right.")],
    [ScalarJudge(labels=labels) for labels in ({"bad": 0, "good": 1}, {"no": 0, "yes": 1})],
    [Calibrated(verifier=ExactMatch(), map=PlattMap(slope=slope, offset=0)) for slope in (1, 2)],
    [Function(function=function) for function in ("json:loads", "marshal:loads")],
    [Confidence(top_logprobs=5), Confidence(top_logprobs=20)],
    [NumericMatch(absolute=0.1234567), NumericMatch(absolute=0.1234568)],
    [RegexMatch(pattern="a", cpu_s=1), RegexMatch(pattern="a", cpu_s=2)],
    [WeightedEnsemble(members=(ExactMatch(), ProcessReward()), weights=weights) for weights in ((1, 2), (2, 1))],
]


@pytest.mark.parametrize("alike", ALIKE, ids=lambda alike: alike[0].kind)
def test_verifiers_of_one_kind_are_told_apart(alike: list[Verifier]) -> None:
    assert all(one.name != other.name for one, other in pairwise(alike))


def test_what_is_said_by_default_is_not_in_a_name() -> None:
    assert ScalarJudge(votes=1, form="labels").name == "scalar_judge"
    assert ScalarJudge(votes=2).name.startswith("scalar_judge:") and len(ScalarJudge(votes=2).name) == 19
