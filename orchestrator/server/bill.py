"""What a run cost and why it stopped, as a client is told."""

from __future__ import annotations

from typing import Any

import orjson

from ..types import Result


def ending(result: Result) -> dict[str, Any]:
    """How a run ended, and which limit ended it; what engines said is for the log alone."""
    return {"stopped": result.stopped, "reason": result.reason if result.stopped in ("budget", "deadline") else ""}


def bill(result: Result, seed: int) -> dict[str, Any]:
    """The breakdown of the usage, how the run ended, and the seed to ask for to get the same again."""
    counts = {"candidates": len(result.candidates), "failures": result.failures}
    return {"usage": {**result.usage.as_dict(), **counts}, **ending(result), "seed": seed}


def headers(told: dict[str, Any]) -> dict[str, str]:
    """A bill as the headers of a whole response."""
    return {
        "x-ponder-usage": orjson.dumps(told["usage"]).decode(),
        "x-ponder-stopped": told["stopped"],
        "x-ponder-seed": str(told["seed"]),
    }
