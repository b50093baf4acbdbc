"""Settings tried out before, on seeds of their own: what the report compares was chosen by these."""

from __future__ import annotations

from .lineup import PUBLISHED, around, back_and_forth, forced, wide
from .methods import Method

PILOT_SEEDS = (1000,)
PILOT_PROMPTS = 100
ONE = (64,)
PAIR = (64, 128)
TRIO = (64, 128, 256)

TAUS = (0.95, 0.8, 0.5, 0.2)
ZERO_ORDER = (
    *(Method(f"zero_order_{tau}", f"zero-order search, tau {tau}", around(tau), TRIO, f"tau {tau}") for tau in TAUS),
    Method("zero_order_restarting", "the same, tau 0.8, restarting", around(0.8, restart_patience=2), TRIO, "restarts"),
)
STEPWISE = (
    Method("svdd", "SVDD", wide("svdd"), PAIR),
    Method("svdd_vp", "SVDD, variance preserving", wide("svdd", interpolant="variance_preserving"), PAIR),
    *(Method(f"code_{block}", f"CoDe, blocks of {block}", wide("svdd", block=block), ONE) for block in (2, 4)),
    *(
        Method(f"feynman_kac_{scale}", f"Feynman-Kac, scale {scale}", wide("feynman_kac", scale=scale), PAIR)
        for scale in (1, 3, 10, 30, 100)
    ),
    *(
        Method(f"beam_{width}", f"beam search, one in {width}", wide("denoising_beam", beam_width=width), ONE)
        for width in (2, 4)
    ),
    *(
        Method(f"rebase_{balance}", f"REBASE, balance {balance}", wide("denoising_rebase", balance=balance), ONE)
        for balance in (0.2, 1.0)
    ),
)
PATHS = (
    Method("paths_1", "paths, 1, moves of 2", back_and_forth(1), PAIR),
    Method("paths_2", "paths, 2, moves of 2", back_and_forth(2), PAIR),
    Method("paths_short", "paths, 1, moves of 1", back_and_forth(1, backward_steps=1), PAIR),
    Method("paths_short_2", "paths, 2, moves of 1", back_and_forth(2, backward_steps=1), PAIR),
    Method(
        "paths_small", "paths, 1, moves of 1, rounds of 0.12", back_and_forth(1, backward_steps=1, backward=0.2), PAIR
    ),
    Method(
        "paths_published",
        "paths as in the authors' code",
        back_and_forth(1, start=0.12, forward=0.78, backward=0.81, backward_steps=4),
        PAIR,
    ),
)
ROLLOVER = (
    Method("rollover", "rollover budget forcing", forced(8), PAIR),
    Method("rollover_few", "the same, 1 in 20 noises", forced(20), PAIR),
    Method("rollover_eager", "the same, without margin", forced(8, margin=0.0), PAIR),
    Method("rollover_last", "the same, the rest to the last step", forced(8, leftover="last"), PAIR),
    Method("rollover_published", "the same, published rules", forced(20, **PUBLISHED), PAIR),
)
PILOT = ZERO_ORDER + PATHS + STEPWISE + ROLLOVER
