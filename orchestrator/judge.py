"""One call: what a verifier says of texts or images that are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..verifiers.planted import Planted
from .budget import Budget
from .engine import EngineSpec
from .errors import UsageError
from .images import Image
from .run import DEFAULT_BUDGET, arun, outside_a_loop
from .types import Query, Score
from .verifier import Verifier


async def ajudge(
    verifier: Verifier,
    query: str | Query,
    texts: Sequence[str] | Sequence[Image],
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
) -> list[Score]:
    """What `verifier` says of each text or image as an answer to `query`, in their order.

    Where it cannot tell, or the budget has no room for it, the score is ``Score(None)`` with the reason. A verifier of
    log-probabilities can tell nothing, since nobody drew these texts.

    Args:
        verifier: the judge; one that is relative compares the texts.
        query: a question, or a whole conversation, with its reference or tests where the verifier needs them.
        texts: whole answers, whoever wrote them, or images, not both; none are judged at no cost.
        engines: by the names the verifier asks.
        budget: hard limits, as of `ponder.run`.
        journal: a file that records every effect, so that the same call again pays for nothing twice.
        seed: chooses what a judge draws.

    Raises:
        UsageError: the verifier cannot work as it stands, or not without a reference answer.
    """
    is_listed = not isinstance(texts, str) and len({isinstance(each, Image) for each in texts}) < 2
    if not is_listed or not isinstance(verifier, Verifier):
        rule = "judge must have a verifier, a query and a list of images or a list of texts"
        raise UsageError(f"{rule}, got {verifier!r} and {texts!r:.80}")
    if not texts:
        return []
    planted = Planted.model_validate({"verifier": verifier, "texts": tuple(texts)})
    result = await arun(planted, query, engines=engines, budget=budget, journal=journal, seed=seed)
    return [candidate.scores[verifier.name] for candidate in result.candidates]


def judge(
    verifier: Verifier,
    query: str | Query,
    texts: Sequence[str] | Sequence[Image],
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
) -> list[Score]:
    """`ajudge` for code that is not asynchronous.

    Raises:
        UsageError: an event loop is running already, as in a notebook; there, use ``await ponder.ajudge(...)``.
    """
    return outside_a_loop(
        "judge",
        lambda: ajudge(verifier, query, texts, engines=engines, budget=budget, journal=journal, seed=seed),
    )
