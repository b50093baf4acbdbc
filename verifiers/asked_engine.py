"""The engine that a verifier asks, if there is one that can do what it needs."""

from __future__ import annotations

from collections.abc import Mapping

from ..orchestrator.engine import Engine
from ..orchestrator.errors import UsageError
from ..orchestrator.verifier import Verifier


def asked_engine(
    verifier: Verifier,
    engines: Mapping[str, Engine],
    name: str,
    *,
    writes: bool = False,
    labels: bool = False,
    continues: bool = False,
    looks: bool = False,
) -> Engine:
    """The engine `name` that `verifier` asks.

    Args:
        verifier: asks.
        engines: the pipeline's, by name.
        name: of the engine.
        writes: whether it must generate text.
        labels: whether it must tell the probability of a label.
        continues: whether it must do so after a text that it continues.
        looks: whether it must look at images.

    Raises:
        UsageError: there is none of that name, or it cannot.
    """
    if name not in engines:
        known = ", ".join(sorted(engines)) or "none"
        raise UsageError(
            f"{verifier.kind} must ask one of the pipeline's engines ({known}), got {name!r}; add it or rename it"
        )
    can = engines[name].capabilities
    if writes and not can.generate:
        raise UsageError(
            f"{verifier.kind} must ask an engine that generates text, but {name!r} only reads; name a generator, "
            "or let process_reward or outcome_reward ask it"
        )
    if labels and not (can.labels and (can.continue_prefix or not continues)):
        raise UsageError(
            f"{verifier.kind} must ask an engine that tells the probability of a label"
            f"{' after a text it continues' if continues else ''}, but {name!r} does not; use vLLM, or another verifier"
        )
    if looks and not can.looks:
        raise UsageError(
            f"{verifier.kind} must ask an engine that looks at images, but {name!r} does not; use one of kind "
            "'image_reward'"
        )
    return engines[name]
