"""What judges that no search has seen say of the images, beside what the search was told and what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from digits import classifiers
from digits.data import Images, every
from digits.frechet import frechet
from digits.judges import mlp_judge, svc_judge
from numpy.typing import NDArray
from safetensors.numpy import load_file

from ponder.orchestrator.intervals import Interval, accuracy_interval, bootstrap
from ponder.orchestrator.models import digits_flow

from .cells import Made
from .jackknife import jackknifed
from .manifolds import Features, precision, recall

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One method at one size.

    Args:
        method: its name.
        title: as it is shown.
        nfe: evaluations that a prompt may cost.
        prompts: that it was run on.
        spent: evaluations a prompt did cost, a mean.
        calls: looks of the verifier, likewise.
        seconds: of one processor a prompt.
        score: the weak verifier's log-probability of the digit asked for.
        judge: share of images that the network takes for the digit asked for.
        svc: share that the support vector machine takes for it.
        frechet: squared distance of the network's features to those of all real images; as what follows, a mean over
            sets of images of one seed.
        precision: share of the images that look real.
        recall: share of real images that are reached.
    """

    method: str
    title: str
    nfe: int
    prompts: int
    spent: float
    calls: float
    seconds: float
    score: Interval
    judge: Interval
    svc: Interval
    frechet: Interval
    precision: Interval
    recall: Interval


def point(names: tuple[str, str], nfe: int, parts: Sequence[Made]) -> Point:
    """What was measured of one method, of a name and a title, at one size."""
    images, wanted = together(parts)
    return Point(
        *names,
        nfe,
        len(images),
        spent=float(np.mean([part.nfe for part in parts])),
        calls=float(np.mean([part.calls for part in parts])),
        seconds=float(np.mean([part.seconds for part in parts])),
        score=bootstrap(SCORES["weak"](images, wanted)),
        judge=accuracy_interval(right(images, wanted, "judge")),
        svc=accuracy_interval(right(images, wanted, "svc")),
        **likeness([part.images for part in parts]),
    )


def likeness(sets: Sequence[Images]) -> dict[str, Interval]:
    """Frechet distance, precision and recall of sets of images, a mean over the sets."""
    features = [mlp_judge().features(images) for images in sets]
    return {name: jackknifed(each, features, MOST[name]) for name, each in LIKENESS.items()}


def real_likeness(count: int) -> dict[str, Interval]:
    """The same of sets of so many real digits: what no method can be expected to better."""
    return likeness([every().sample(count, seed).images for seed in (1, 2, 3)])


def together(parts: Sequence[Made]) -> tuple[Images, NDArray[np.integer]]:
    """The images of all parts, and the digit each should show."""
    return np.concatenate([part.images for part in parts]), np.concatenate([part.wanted for part in parts])


def right(images: Images, wanted: NDArray[np.integer], judge: str = "svc") -> Values:
    """1 where a held-out judge takes an image for the digit asked for, else 0."""
    named = svc_judge() if judge == "svc" else mlp_judge()
    return (named.predict(images) == wanted).astype(np.float64)


def _log_chance(logits: NDArray[np.floating], wanted: NDArray[np.integer]) -> Values:
    high = logits.max(axis=1, keepdims=True)
    total = high[:, 0] + np.log(np.exp(logits - high).sum(axis=1))
    return (logits[np.arange(len(logits)), wanted] - total).astype(np.float64)


@cache
def _layers(name: str) -> classifiers.Layers:
    return load_file(digits_flow() / f"{name}.safetensors")


def _classified(name: str, images: Images, wanted: NDArray[np.integer]) -> Values:
    return _log_chance(classifiers.logits(_layers(name), images), wanted)


SCORES: Mapping[str, Callable[[Images, NDArray[np.integer]], Values]] = {
    "weak": partial(_classified, "weak_classifier"),
    "better": partial(_classified, "classifier"),
    "spread": lambda images, wanted: np.abs(images).mean(axis=1).astype(np.float64),
    "judge": lambda images, wanted: _log_chance(mlp_judge().log_proba(images), wanted),
}
"""What each verifier says of images."""


@cache
def _real(count: int) -> Features:
    """The features of so many real images, classes in proportion."""
    return mlp_judge().features(every().sample(count, seed=0).images)


LIKENESS: Mapping[str, Callable[[Features], float]] = {
    "frechet": lambda features: frechet(features, mlp_judge().features(every().images)),
    "precision": lambda features: precision(features, _real(len(features))),
    "recall": lambda features: recall(features, _real(len(features))),
}
MOST = {"frechet": math.inf, "precision": 1.0, "recall": 1.0}
