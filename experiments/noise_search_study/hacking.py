"""Misled verifiers: the same candidate images, chosen by each verifier, and a model that needs no search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.orchestrator.intervals import Interval, bootstrap

from .cells import Made
from .lineup import whole, wide
from .measured import SCORES, Point, point, together
from .methods import Method

POOLS = (1, 4, 16, 64)  # images to choose from
CLASSIFIERS = ("weak", "better", "judge")


def _verifier(name: str) -> dict[str, Any]:
    kind = "class_logprob" if name in CLASSIFIERS else "image_reward"
    return {"kind": kind, "engine": name}


VERIFIERS: Mapping[str, dict[str, Any]] = {
    **{name: _verifier(name) for name in ("weak", "better", "spread", "judge")},
    "ensemble": {"kind": "rank_ensemble", "members": [_verifier(name) for name in ("weak", "better", "spread")]},
}
TITLES = ("the weak classifier", "the better classifier", "the class-blind score", "the judge", "the rank ensemble")
HACKED = tuple(
    Method(
        f"pool_{name}",
        f"random search by {title}",
        wide("random_noise_search", verifier=verifier),
        tuple(8 * n for n in POOLS),
        family="pool",
    )
    for (name, verifier), title in zip(VERIFIERS.items(), TITLES, strict=True)
)
FAITHFUL = (
    Method(
        "conditional_spread",
        "SVDD by the class-blind score, conditional model",
        wide("svdd", verifier=VERIFIERS["spread"], conditional=True),
        (8, 32, 64, 128),
    ),
)


@dataclass(frozen=True, slots=True)
class Hacked:
    """What choosing by one verifier among so many images gives.

    Args:
        verifier: its name.
        n: images to choose from.
        score: its own, of the images chosen; that of the weak classifier where its own has no meaning alone.
        point: everything else.
    """

    verifier: str
    n: int
    score: Interval
    point: Point


def hacked(made: Mapping[tuple[str, int], Sequence[Made]], methods: Sequence[Method] = HACKED) -> list[Hacked]:
    """Every verifier at every size that was run."""
    found = []
    for method in methods:
        verifier = method.name.split("_", 1)[1]
        for nfe in method.sizes:
            parts = made.get((method.name, nfe))
            if parts:
                images, wanted = together(parts)
                score = bootstrap(SCORES.get(verifier, SCORES["weak"])(images, wanted))
                found.append(Hacked(verifier, whole(nfe), score, point((method.name, method.title), nfe, parts)))
    return found
