"""Spaces to begin with: Archon's, choosing among draws, stepwise search, stopping early, and searches for images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...verifiers.answers import AnswerKey, NumberAnswer
from .domains import Choice, Floats, Integers, Prefix, Repeat, Same
from .space import Space

Table = Mapping[str, Any]
REWARD: Table = {"kind": "process_reward"}


def archon_space(
    generators: Sequence[str | Table],
    *,
    judge: str | None = None,
    samples: int = 5,
    layers: int = 3,
    keep: int = 5,
    temperature: float = 0.7,
    max_tokens: int = 1024,
    most_candidates: int = 24,
) -> Space:
    """Archon's space of layers (Saad-Falcon et al. 2024, arXiv 2409.15254, section 3.3 and appendix A.4).

    The first K generators with 1 to `samples` answers each; up to `layers` hidden layers of 2, 4, 6, 8 or 10 fusers; no
    check, a verifier or unit tests; one last fuser. Critics and rankers stand before every layer of fusers or before
    none. With ten generators it has 3,648 compositions. Departs from the paper in the rule that fewer than 25
    candidates are fused, which it applies to the generators alone; here to every layer, which comes to the same.

    Args:
        generators: what answers first, the best first: an engine's name, or a table of a sample's knobs, so that one
            model at several temperatures counts as several.
        judge: the engine that criticises, ranks, checks and fuses; None takes the first generator's.
        samples: most answers of each generator.
        layers: most hidden layers.
        keep: candidates that a ranker passes on.
        temperature: of every call but those of generators that set their own.
        max_tokens: most tokens of every call, likewise.
        most_candidates: most candidates that one layer hands to the next.
    """
    how = {"temperature": temperature, "max_tokens": max_tokens}
    drawn = [{"engine": each} if isinstance(each, str) else each for each in generators]
    asked = {**how, "engine": judge or (drawn[0].get("engine", "generator") if drawn else "generator")}
    count = Integers(low=1, high=samples, name="samples")
    members = [{"kind": "sample", **how, **each, "n": count} for each in drawn]
    ranking = [{"kind": "critic", **asked}, {"kind": "ranker", "keep": keep, **asked}]
    tests = [{"kind": "unit_test_generator", **asked}, {"kind": "unit_test_evaluator", **asked}]
    fusers = {"kind": "fuse", "n": Integers(low=2, high=10, step=2, name="fusers"), **asked}
    stages = [
        {"kind": "ensemble", "members": Prefix(values=tuple(members), name="generators")},
        Repeat(low=0, high=layers, of=(Choice(values=([], ranking), name="criticised"), fusers), name="layers"),
        Choice(values=([], [{"kind": "verifier_filter", **asked}], tests), name="check"),
        Same(name="criticised"),
        {"kind": "fuse", "n": 1, **asked},
    ]
    return Space(options=({"kind": "pipeline", "stages": stages},), most_candidates=most_candidates)


def best_of_n_space(
    engines: Sequence[str] = ("generator",),
    verifiers: Sequence[Any] = (REWARD,),
    *,
    most: int = 64,
    temperatures: Sequence[float] = (0.4, 0.7, 1.0),
    max_tokens: int = 512,
    answer: AnswerKey = NumberAnswer(),
) -> Space:
    """One draw, a vote, the best by a verifier, or a vote weighted by it: which, of how many, how hot, of which model.

    Args:
        engines: models to draw from.
        verifiers: models or tables of verifiers.
        most: most draws; the numbers double up to it.
        temperatures: rising.
        max_tokens: most tokens of a draw.
        answer: how answers are read where they vote.
    """
    drawing = {**_drawing(engines, temperatures, max_tokens), "n": Integers(low=1, high=most, log=True, name="n")}
    judged = {**drawing, "answer": answer, "verifier": Choice(values=tuple(verifiers), name="verifier")}
    return Space(
        options=(
            {"kind": "self_consistency", **drawing, "answer": answer},
            {"kind": "best_of_n", **judged, "weighted": Choice(values=(False, True), name="weighted")},
        )
    )


def stepwise_space(
    engines: Sequence[str] = ("generator",),
    verifiers: Sequence[Any] = (REWARD,),
    *,
    most: int = 64,
    temperatures: Sequence[float] = (0.7, 1.0),
    max_tokens: int = 512,
    max_steps: int = 16,
    step_tokens: Sequence[int] = (64, 128),
    answer: AnswerKey = NumberAnswer(),
) -> Space:
    """Beam search, diverse verifier tree search, REBASE and particle filtering at several widths.

    Args:
        engines: models to draw from.
        verifiers: models or tables of verifiers of partial answers.
        most: most paths; the numbers double from 4 up to it.
        temperatures: rising.
        max_tokens: most tokens of a path.
        max_steps: most steps of a path.
        step_tokens: most tokens of a step, rising.
        answer: how answers are read where they vote.
    """
    shared = {
        **_drawing(engines, temperatures, max_tokens),
        "n": Integers(low=4, high=most, log=True, name="n"),
        "verifier": Choice(values=tuple(verifiers), name="verifier"),
        "step_tokens": Choice(values=tuple(step_tokens), name="step_tokens"),
        "choose": Choice(values=("score", "weighted_vote"), name="choose"),
        "max_steps": max_steps,
        "answer": answer,
    }
    width = Choice(values=(2, 4), name="beam_width")
    return Space(
        options=(
            {"kind": "beam_search", **shared, "beam_width": width},
            {"kind": "dvts", **shared, "beam_width": width},
            {"kind": "rebase", **shared, "balance": Floats(low=0.05, high=0.8, grid=3, log=True, name="balance")},
            {"kind": "particle_filter", **shared},
        )
    )


def adaptive_space(
    engines: Sequence[str] = ("generator",),
    verifiers: Sequence[Any] = (REWARD,),
    *,
    most: int = 32,
    temperatures: Sequence[float] = (0.7, 1.0),
    thresholds: Sequence[float] = (0.5, 0.7, 0.9),
    max_tokens: int = 512,
    answer: AnswerKey = NumberAnswer(),
) -> Space:
    """What stops once it is sure: votes that are clear, answers that a verifier accepts, certain chains, cascades.

    Args:
        engines: models to draw from, the cheapest first: a cascade goes from the first to the last.
        verifiers: models or tables of verifiers with scores from 0 to 1.
        most: most draws; the numbers double from 4 up to it.
        temperatures: rising.
        thresholds: rising scores from which an answer is accepted.
        max_tokens: most tokens of a draw.
        answer: how answers are read.
    """
    drawing = {**_drawing(engines, temperatures, max_tokens), "n": Integers(low=4, high=most, log=True, name="n")}
    verifier, accepts = (
        Choice(values=tuple(verifiers), name="verifier"),
        Choice(values=tuple(thresholds), name="accepts"),
    )
    temperature = drawing["temperature"]
    first = {"kind": "sample", "engine": engines[0], "temperature": temperature, "max_tokens": max_tokens}
    then = {"kind": "self_consistency", **drawing, "engine": engines[-1], "answer": answer}
    sure = Choice(values=(0.8, 0.95, 0.99), name="sure")
    return Space(
        options=(
            {"kind": "adaptive_consistency", **drawing, "threshold": sure, "answer": answer},
            {"kind": "esc", **drawing, "window": Choice(values=(2, 4, 8), name="window"), "answer": answer},
            {"kind": "first_accepted", **drawing, "verifier": verifier, "threshold": accepts},
            {"kind": "certainty_probe", **drawing, "n": 1, "agreeing": Choice(values=(2, 3), name="agreeing")},
            {"kind": "cascade", "stages": [first, then], "verifier": verifier, "thresholds": [accepts]},
        )
    )


def denoising_space(
    verifiers: Sequence[Any],
    *,
    most: int = 32,
    steps: Sequence[int] = (4, 8, 16),
    interpolants: Sequence[str] = ("linear", "variance_preserving"),
    conditional: bool = True,
    guidance: float = 1.0,
    engine: str = "generator",
) -> Space:
    """Searches for images, over noises and on the way from noise to data, at several widths.

    Args:
        verifiers: models or tables of verifiers of images.
        most: most images or states side by side; the numbers double up to it.
        steps: from noise to an image, rising.
        interpolants: in which states go; ``own`` is the denoiser's.
        conditional: whether the denoiser is told the prompt; if not, the verifier alone steers.
        guidance: the scale of classifier-free guidance.
        engine: the denoiser.
    """
    making = {
        "engine": engine,
        "conditional": conditional,
        "guidance": guidance,
        "verifier": Choice(values=tuple(verifiers), name="verifier"),
        "steps": Choice(values=tuple(steps), name="steps"),
        "interpolant": Choice(values=tuple(interpolants), name="interpolant"),
    }
    stepwise = {**making, "n": Integers(low=2, high=most, log=True, name="width")}
    balance = Floats(low=0.05, high=0.8, grid=3, log=True, name="balance")
    evaluations = Integers(low=2 * steps[0], high=most * steps[-1], log=True, name="evaluations")
    return Space(
        options=(
            {"kind": "random_noise_search", **making, "n": Integers(low=1, high=most, log=True, name="n")},
            {"kind": "zero_order_search", **making, "tau": Choice(values=(0.5, 0.9), name="tau")},
            {"kind": "path_search", **making, "n": Choice(values=(1, 2, 4), name="paths")},
            {"kind": "svdd", **stepwise},
            {"kind": "denoising_beam", **stepwise, "beam_width": 2},
            {"kind": "denoising_rebase", **stepwise, "balance": balance},
            {"kind": "feynman_kac", **stepwise},
            {"kind": "rollover_budget_forcing", **making, "evaluations": evaluations},
        )
    )


def _drawing(engines: Sequence[str], temperatures: Sequence[float], max_tokens: int) -> dict[str, Any]:
    return {
        "engine": Choice(values=tuple(engines), name="engine"),
        "temperature": Choice(values=tuple(temperatures), name="temperature"),
        "max_tokens": max_tokens,
    }
