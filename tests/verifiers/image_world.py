"""Images judged the way a run does: by closed-form models, and by the embedded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import numpy as np

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Engine
from ponder.orchestrator.engines.image_models import GaussianClassifier, PixelSpread
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.images import Image
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.orchestrator.verifier import Verifier

BLACK, GREY, WHITE = (Image(2, 2, 1, bytes([level] * 4)) for level in (0, 127, 255))
SPECS = {
    "reward": ImageRewardSpec(model=PixelSpread(), look_seconds=0.5, look_price=2.0),
    "tones": ImageRewardSpec(model=GaussianClassifier(means=((-1.0,) * 4, (1.0,) * 4), variance=4.0)),
}


def pictures(count: int, seed: int = 0) -> list[Image]:
    random = np.random.default_rng(seed)
    return [Image.of(random.integers(0, 256, (2, 2, 1), dtype=np.uint8)) for _ in range(count)]


def image_candidate(image: Image | None, index: int = 0) -> Candidate:
    return Candidate((), "", Finish.EOS, index=index, image=image)


def image_context(engines: Mapping[str, Engine] | None = None, journal: Journal | None = None) -> Context:
    opened = engines or {name: spec.open() for name, spec in SPECS.items()}
    gates = {name: nullcontext() for name in opened}
    journal = journal or Journal(Memory())
    return Context(Run("task", opened, gates, Ledger(Budget()), Ledger(Budget()), journal), "test")


async def seen(
    verifier: Verifier, images: Sequence[Image | None], ctx: Context | None = None, ask: str = "a 1"
) -> list[Score]:
    """What a verifier says of images, in their order."""
    candidates = [image_candidate(image, index) for index, image in enumerate(images)]
    scored = await (ctx or image_context()).score(Query.ask(ask), candidates, verifier)
    return [each.scores[verifier.name] for each in scored]
