"""Strategies of images at sizes that are quick to check in every way."""

from ponder.orchestrator.pipeline import Pipeline
from ponder.strategies import (
    SVDD,
    DenoisingBeam,
    DenoisingRebase,
    FeynmanKac,
    PathSearch,
    RandomNoiseSearch,
    Rank,
    RolloverBudgetForcing,
    Strategy,
    ZeroOrderSearch,
)
from ponder.verifiers import ClassLogprob

JUDGE = ClassLogprob()
TWO = {"n": 2, "steps": 2, "verifier": JUDGE}
THREE = {"n": 3, "steps": 2, "verifier": JUDGE}
IMAGES: dict[str, Strategy] = {
    "random_noise_search": RandomNoiseSearch(**THREE),
    "random_noise_search-heun": RandomNoiseSearch(
        solver="heun", final_steps=3, guidance=2.0, interpolant="variance_preserving", **TWO
    ),
    "random_noise_search-ranked": Pipeline.series(RandomNoiseSearch(**TWO), Rank(verifier=JUDGE, keep=1)),
    "svdd": SVDD(**THREE),
    "svdd-block": SVDD(n=2, steps=3, block=2, verifier=JUDGE),
    "svdd-exponential": SVDD(grid="exponential", conditional=False, **TWO),
    "svdd-final_steps": SVDD(final_steps=2, guidance=2.0, interpolant="variance_preserving", **TWO),
    "svdd-no_noise": SVDD(diffusion=0.0, **TWO),
    "feynman_kac": FeynmanKac(threshold=1.0, **TWO),
    "denoising_beam": DenoisingBeam(beam_width=2, **THREE),
    "denoising_rebase": DenoisingRebase(**TWO),
    "path_search": PathSearch(n=2, children=2, steps=2, start=0.5, forward=0.2, backward=0.5, verifier=JUDGE),
    "rollover_budget_forcing": RolloverBudgetForcing(evaluations=7, initial=2, steps=3, verifier=JUDGE),
    "rollover_budget_forcing-ahead": RolloverBudgetForcing(
        evaluations=7, initial=2, steps=3, speculation=2, leftover="last", min_tries=1, margin=0.0, verifier=JUDGE
    ),
    "zero_order_search": ZeroOrderSearch(n=2, steps=2, rounds=2, tau=0.5, restart_patience=1, verifier=JUDGE),
}
