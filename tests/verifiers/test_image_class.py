"""Whether the class that was asked for is seen, by a classifier in this process and at no cost."""

from __future__ import annotations

import pytest
from image_world import BLACK, GREY, WHITE, image_candidate, image_context, seen

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engines.image_models import GaussianClassifier, PixelClassifier
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.types import Query, Usage
from ponder.verifiers import VERIFIERS, ImageClass

TONES = ImageClass(model=GaussianClassifier(means=((-1.0,) * 4, (0.0,) * 4, (1.0,) * 4)))


@pytest.mark.parametrize("wanted", [0, 1, 2])
async def test_the_class_that_is_seen_is_right_and_no_other(wanted: int) -> None:
    scores = await seen(TONES, [BLACK, GREY, WHITE], ask=f"a {wanted}")
    assert [score.value for score in scores] == [float(tone == wanted) for tone in (0, 1, 2)]
    assert {(score.scale, score.usage) for score in scores} == {("binary", Usage())}
    assert scores[2].detail == "the classifier sees 2"


async def test_a_reference_says_what_is_asked_before_the_prompt_does() -> None:
    query = Query.ask("not a 0", reference="2")
    [told] = await image_context().score(query, [image_candidate(WHITE)], TONES)
    assert told.scores[TONES.name].value == 1.0


async def test_what_cannot_be_told_is_not() -> None:
    assert [score.value for score in await seen(TONES, [None, WHITE], ask="a 2")] == [None, 1.0]
    [unnamed] = await seen(TONES, [WHITE], ask="a picture")
    [unknown] = await seen(TONES, [WHITE], ask="a 3")
    [foreign] = await seen(TONES, [Image(1, 1, 1, b"a")], ask="a 2")
    assert unnamed.value is unknown.value is foreign.value is None
    assert "a class from 0 to 2" in unknown.detail
    assert "4 bytes" in foreign.detail


def test_it_asks_no_engine_and_is_saved_with_its_model() -> None:
    assert TONES.engine_names() == ()
    assert not TONES.is_recorded
    assert TONES.judges == {"image"}
    assert VERIFIERS.build(TONES.model_dump(mode="json")) == TONES
    told = canonical_json(TONES)
    TONES.check()
    assert canonical_json(TONES) == told


def test_a_model_that_cannot_be_loaded_is_refused_before_anything_is_judged(tmp_path) -> None:
    with pytest.raises(UsageError, match="nothing"):
        ImageClass(model=PixelClassifier(weights=str(tmp_path / "nothing.safetensors"))).check()
