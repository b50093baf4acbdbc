"""How a process comes to be on a Ray cluster."""

from __future__ import annotations

import os

from ..errors import EngineUnavailable

OBJECT_STORE_BYTES = 200 * 1024 * 1024


def join(address: str | None, remedy: str) -> None:
    """Join the cluster at `address` or the one in ``RAY_ADDRESS``; start one on this machine where there is none.

    Args:
        address: of the cluster.
        remedy: what to do where it does not start, for the message.

    Raises:
        EngineUnavailable: it does not start.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS")
    local = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False, **local)
    except Exception as error:
        where = f"the Ray cluster at {address!r}" if address else "a Ray cluster on this machine"
        raise EngineUnavailable(f"{where} must start, but: {error}; {remedy}") from None
