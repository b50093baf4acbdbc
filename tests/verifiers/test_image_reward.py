"""The verifier of one number, what it costs, and which verifiers judge images."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_world import BLACK, GREY, SPECS, WHITE, image_context, pictures, seen

import ponder
from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query, Usage
from ponder.verifiers import (
    VERIFIERS,
    Calibrated,
    ClassLogprob,
    ExactMatch,
    Function,
    ImageReward,
    PlattMap,
    RankEnsemble,
    Verifier,
    WeightedEnsemble,
)
from ponder.verifiers.planted import Planted

LOOK = Usage(verifier_calls=1, nano_usd=2000, compute_ns=500_000_000)


async def test_the_score_is_the_number_that_the_model_tells() -> None:
    scores = await seen(ImageReward(), [BLACK, GREY, WHITE])
    assert [score.value for score in scores] == [1.0, pytest.approx(0.5 / 127.5, rel=1e-5), 1.0]
    assert {(score.scale, score.kind) for score in scores} == {("reward", "learned")}


async def test_equal_images_are_looked_at_once_and_paid_once() -> None:
    ctx = image_context()
    scores = await seen(ImageReward(), [BLACK, WHITE, BLACK], ctx)
    assert [score.usage for score in scores] == [LOOK] * 3  # equal candidates share one score
    assert ctx._run.ledger.spent == LOOK + LOOK
    again = await seen(ImageReward(), [WHITE], ctx)
    assert again[0].value == 1.0
    assert ctx._run.ledger.spent == LOOK + LOOK


async def test_what_is_no_image_is_not_scored() -> None:
    (score,) = await seen(ImageReward(), [None])
    assert score.value is None and score.usage == Usage()


async def test_a_model_of_several_values_is_refused_by_name() -> None:
    (score,) = await seen(ImageReward(engine="tones"), [WHITE])
    assert score.value is None and "class_logprob" in score.detail


async def test_two_engines_are_two_names() -> None:
    assert (ImageReward().name, ImageReward(engine="clip").name) == ("image_reward", "image_reward:clip")
    assert (ClassLogprob().name, ClassLogprob(engine="weak").name) == ("class_logprob", "class_logprob:weak")


def brightness(shown: Image | str, query: Query) -> float:
    return float(shown.array.mean()) if isinstance(shown, Image) else -1.0


async def test_a_function_is_given_the_image_and_kept_by_it() -> None:
    journal = Journal(Memory())
    verifier = Function.of(brightness)
    first = await seen(verifier, [BLACK, GREY, WHITE], image_context(journal=journal))
    again = await seen(verifier, [WHITE, BLACK], image_context(journal=journal))
    assert [score.value for score in first] == [0.0, 127.0, 255.0]
    assert [score.value for score in again] == [255.0, 0.0]


@pytest.mark.parametrize(
    ("verifier", "media"),
    [
        (ImageReward(), {"image"}),
        (ClassLogprob(), {"image"}),
        (ExactMatch(), {"text"}),
        (Function.of(brightness), {"text", "image"}),
        (RankEnsemble(members=(ImageReward(), ClassLogprob())), {"image"}),
        (RankEnsemble(members=(ImageReward(), Function.of(brightness))), {"image"}),
        (RankEnsemble(members=(ExactMatch(), Function.of(brightness))), {"text"}),
        (WeightedEnsemble(members=(ImageReward(), ExactMatch()), weights=(1, 0), scale="reward"), {"image"}),
        (RankEnsemble(members=(ImageReward(), ExactMatch())), set()),
        (Calibrated(verifier=ClassLogprob(), map=PlattMap(slope=1.0, offset=0.0)), {"image"}),
    ],
)
def test_what_a_verifier_judges_follows_from_its_members(verifier: Verifier, media: set[str]) -> None:
    assert verifier.judges == media
    assert VERIFIERS.build(verifier.model_dump(mode="json")) == verifier


def test_an_ensemble_that_nothing_suits_is_refused_before_anything_runs() -> None:
    mixed = RankEnsemble(members=(ImageReward(), ExactMatch()))
    with pytest.raises(ShapeError, match="judges nothing that all members can"):
        Plan().score(Shape(1, 2, medium="image"), mixed, together=True)
    with pytest.raises(ShapeError, match="judges images, but gets texts"):
        Plan().score(Shape(1, 2), ImageReward())


async def test_an_engine_that_does_not_look_is_refused() -> None:
    with pytest.raises(UsageError, match="one of the pipeline's engines"):
        ImageReward().bound({}, 1, 0)


async def test_a_weighted_mean_of_rewards() -> None:
    pair = WeightedEnsemble(members=(ImageReward(), ClassLogprob(engine="tones")), weights=(3, 1), scale="reward")
    alone = [await seen(member, pictures(5)) for member, _ in pair.weighed]
    both = await seen(pair, pictures(5))
    wanted = [(3 * one.value + other.value) / 4 for one, other in zip(*alone, strict=True)]  # type: ignore[operator]
    assert [score.value for score in both] == pytest.approx(wanted)


async def test_one_call_judges_images_that_are_there_already(tmp_path: Path) -> None:
    images, journal = pictures(4), tmp_path / "judged.db"
    scores = await ponder.ajudge(ImageReward(), "a cat", images, engines=SPECS, journal=journal)
    assert [score.value for score in scores] == [score.value for score in await seen(ImageReward(), images)]
    assert scores == await ponder.ajudge(ImageReward(), "a cat", images, engines=SPECS, journal=journal)
    planted = Planted(verifier=ImageReward(), texts=tuple(images))
    assert Planted.model_validate_json(planted.model_dump_json()) == planted
    with pytest.raises(UsageError, match="a list of images or a list of texts"):
        await ponder.ajudge(ImageReward(), "a cat", ["a text", *images], engines=SPECS)  # type: ignore[list-item]
    with pytest.raises(ShapeError, match="judges images, but gets texts"):
        await ponder.ajudge(ImageReward(), "a cat", ["a text"], engines=SPECS)
