"""What a run cost and why it stopped, as a client is told."""

from __future__ import annotations

from typing import Any

import orjson

from ..types import Result


def account(result: Result, seed: int) -> dict[str, Any]:
    """The breakdown of the usage, why the run stopped, and the seed to ask for to get the same again."""
    counts = {"candidates": len(result.candidates), "failures": result.failures}
    return {"usage": {**result.usage.as_dict(), **counts}, "stopped": result.stopped, "seed": seed}


def headers(told: dict[str, Any]) -> dict[str, str]:
    """An account as the headers of a whole response."""
    return {
        "x-ponder-usage": orjson.dumps(told["usage"]).decode(),
        "x-ponder-stopped": told["stopped"],
        "x-ponder-seed": str(told["seed"]),
    }
