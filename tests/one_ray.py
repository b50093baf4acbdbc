"""One Ray for the tests of a module: starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

TRIES = 4


@contextmanager
def one_ray() -> Iterator[None]:
    """A Ray of four processors. It gives its node 30 seconds to start, too few where other tests take every core."""
    import ray

    for left in reversed(range(TRIES)):
        try:
            ray.init(include_dashboard=False, num_cpus=4, object_store_memory=200_000_000, log_to_driver=False)
            break
        except Exception:
            ray.shutdown()
            if not left:
                raise
    yield
    ray.shutdown()
