"""Which proposers a space has."""

from ponder.search.decisions.model_moves import ModelMoves
from ponder.search.proposers import model_moves
from ponder.search.spaces.domains import Choice, Integers
from ponder.search.spaces.space import Space

ENGINE = Choice(values=("small", "large"), name="engine")


def space_of(**knobs: object) -> Space:
    return Space(options=({"kind": "self_consistency", "n": Integers(low=2, high=3), **knobs},))


def test_engines_that_are_chosen_are_roles() -> None:
    points = space_of(engine=ENGINE).enumerate()
    [moves] = model_moves(points, ["small", "large", "reward"])
    assert isinstance(moves, ModelMoves)
    by_choice = {(point.strategy.n, point.strategy.engine): i for i, point in enumerate(points)}
    assert {frozenset(group) for groups in moves.swaps.values() for group in groups} == {
        frozenset({by_choice[n, "small"], by_choice[n, "large"]}) for n in (2, 3)
    }


def test_without_a_choice_of_engines_there_is_none() -> None:
    assert model_moves(space_of().enumerate(), ["generator"]) == ()
    assert model_moves(space_of(engine="small").enumerate(), ["small", "large"]) == ()
    assert model_moves(space_of(engine=ENGINE).enumerate(), ["small"]) == (), "not all are engines"
