"""The images of a query are shown wherever a prompt is made of it, and are part of what names a draw or a judgement."""

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.judging import facts_of
from ponder.strategies import BestOfN, Hogwild, Sample, SelfRefine, Strategy
from ponder.testing.scene import QUERY, Scene, estimated, play
from ponder.testing.watched_engine import IMAGE_TOKENS
from ponder.verifiers import ScalarJudge

BLACK, WHITE = (Image.of(np.full((2, 2, 3), shade, np.uint8)) for shade in (0, 255))
PLAIN = Scene()


def showing(*images: Image) -> Scene:
    return Scene(query=QUERY.model_copy(update={"images": images}))


@pytest.mark.parametrize("strategy", [Sample(n=2), SelfRefine(rounds=1), BestOfN(n=2, verifier=ScalarJudge())])
async def test_each_image_is_part_of_every_prompt_and_of_every_key(strategy: Strategy) -> None:
    plain, black, white = [await play(strategy, scene) for scene in (PLAIN, showing(BLACK), showing(WHITE))]
    keys = [set(played.store.effects()) for played in (plain, black, white)]
    assert not keys[0] & keys[1] and not keys[1] & keys[2]
    calls = black.result.usage.calls + black.result.usage.verifier_calls
    assert calls > 1
    most = [(await estimated(strategy, scene)).most for scene in (PLAIN, showing(BLACK), showing(BLACK, WHITE))]
    assert most[0].completion_tokens == most[2].completion_tokens
    assert most[1].prompt_tokens - most[0].prompt_tokens >= IMAGE_TOKENS * (most[0].calls + most[0].verifier_calls)
    assert most[2].prompt_tokens - most[1].prompt_tokens == most[1].prompt_tokens - most[0].prompt_tokens


def test_what_a_rule_may_look_at_holds_them() -> None:
    plain, black, white = [facts_of(scene.query) for scene in (PLAIN, showing(BLACK), showing(WHITE))]
    assert len({repr(facts) for facts in (plain, black, white)}) == 3
    assert black[: len(plain)] == plain


async def test_workers_that_share_a_cache_refuse_what_they_cannot_see() -> None:
    with pytest.raises(UsageError, match="see no images, but are shown 1"):
        await play(Hogwild(max_tokens=20), showing(BLACK))
