"""What the server has done, as Prometheus reads it at ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..types import Usage

OPENMETRICS = "application/openmetrics-text"
SECONDS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of the buckets of times: a request passes through in milliseconds or thinks for minutes."""


class Metrics:
    """Counts what one application does, apart from any other in the process.

    A model is named only where it is one that is served, so that no client can make up series; else its label is empty.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"ponder_{name}", told, labels, registry=registry)

        def histogram(name: str, told: str) -> Histogram:
            return Histogram(f"ponder_{name}", told, ("endpoint", "model"), buckets=SECONDS, registry=registry)

        self._requests = counter("requests", "Requests by the status they ended with.", "endpoint", "model", "status")
        self._seconds = histogram("request_seconds", "Seconds from a request to the last byte of its response.")
        self._first = histogram("first_byte_seconds", "Seconds from a request to the first byte of its answer.")
        self._tokens = counter("tokens", "Tokens by kind; prompt counts the cached ones too.", "model", "kind")
        self._calls = counter("calls", "Calls of engines, by generations and verifiers' judgements.", "model", "kind")
        self._cost = counter("cost_usd", "US dollars, by the prices of the engines.", "model")
        self._nfe = counter("nfe", "Rows that denoisers evaluated.", "model")
        self._refusals = counter("refusals", "Requests refused, by the code of the error.", "code")
        self._gone = counter("clients_gone", "Requests whose client left before the response was whole.")
        self._attached = counter("retries_attached", "Requests sent again that attached to the run of the first.")

    def answered(self, endpoint: str, model: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests.labels(endpoint, model, str(status)).inc()
        self._seconds.labels(endpoint, model).observe(seconds)

    def began_answer(self, endpoint: str, model: str, seconds: float) -> None:
        """Count the first byte of an answer, so many seconds after the request."""
        self._first.labels(endpoint, model).observe(seconds)

    def spent(self, model: str, usage: Usage) -> None:
        """Count what a run has paid."""
        for counter, kind, amount in (
            (self._tokens, "prompt", usage.prompt_tokens),
            (self._tokens, "cached", usage.cached_tokens),
            (self._tokens, "completion", usage.completion_tokens),
            (self._calls, "generation", usage.calls),
            (self._calls, "verifier", usage.verifier_calls),
        ):
            if amount:
                counter.labels(model, kind).inc(amount)
        if usage.nano_usd:
            self._cost.labels(model).inc(usage.cost_usd)
        if usage.nfe:
            self._nfe.labels(model).inc(usage.nfe)

    def refused(self, code: str) -> None:
        """Count an error that a client was told."""
        self._refusals.labels(code).inc()

    def left(self) -> None:
        """Count a client that left before the response was whole."""
        self._gone.inc()

    def attached(self) -> None:
        """Count a request that attached to the run of the same request sent before."""
        self._attached.inc()

    def watch_runs(self, in_flight: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Show runs in flight, how many of them wait for their turn, and all tasks, as they are when they are read."""
        for name, told, count in (
            ("runs_in_flight", "Runs in flight, those that wait for their turn included.", in_flight),
            ("runs_waiting", "Runs that wait for their turn.", waiting),
            ("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks())),
        ):
            Gauge(f"ponder_{name}", told, registry=self._registry).set_function(count)

    def watch_engines(self, standing: Callable[[], Iterable[tuple[str, int, bool]]]) -> None:
        """Show of each engine, as it is when it is read, its name, calls in flight, and whether it is up."""
        self._registry.register(_Engines(standing))

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All that is counted, with its content type: OpenMetrics where `accept` asks for it, else Prometheus' text."""
        encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept else "")
        return encode(self._registry), content_type


class _Engines(Collector):
    def __init__(self, standing: Callable[[], Iterable[tuple[str, int, bool]]]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        calls = GaugeMetricFamily("ponder_engine_calls_in_flight", "Calls in flight on each engine.", labels=["engine"])
        up = GaugeMetricFamily("ponder_engine_up", "1 unless the engine is known not to work.", labels=["engine"])
        for name, in_flight, is_up in self._standing():
            calls.add_metric([name], in_flight)
            up.add_metric([name], is_up)
        yield from (calls, up)
