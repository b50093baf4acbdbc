"""What all replicas count, as one page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


def together(told: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The samples of all replicas, each under the name of its own, with the content type.

    Args:
        told: what each replica exposes in Prometheus' text, by its name.

    >>> page, _ = together({"one": b"# TYPE runs gauge\\nruns 2.0\\n", "two": b"# TYPE runs gauge\\nruns 3.0\\n"})
    >>> print(page.decode().strip())
    # HELP runs\x20
    # TYPE runs gauge
    runs{replica="one"} 2.0
    runs{replica="two"} 3.0
    """
    families: dict[str, Metric] = {}
    for replica, text in told.items():
        for family in text_string_to_metric_families(text.decode()):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [each._replace(labels={**each.labels, "replica": replica}) for each in family.samples]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families.values()))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
