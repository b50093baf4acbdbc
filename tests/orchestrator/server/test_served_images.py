"""From a sweep to an image: a frontier of image pipelines is searched, served, and asked by the openai client."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from image_serving import MEANS
from serving import serving

from ponder.orchestrator.frontier import Frontier, load_all
from ponder.orchestrator.png import SIGNATURE
from ponder.search.reports.outputs import write_outputs
from ponder.search.run_sweep import run_sweep
from ponder.search.sweep import Sweep

JUDGE = {"kind": "gaussian_classifier", "means": MEANS}
SEARCH = {
    "kind": "random_noise_search",
    "conditional": False,
    "steps": 2,
    "verifier": {"kind": "class_logprob"},
    "n": {"kind": "integers", "low": 1, "high": 8, "log": True},
}


def asked(number: int, take: int) -> dict[str, Any]:
    message = {"role": "user", "content": f"picture {number}, take {take}"}
    return {"id": f"{number}.{take}", "messages": [message], "reference": str(number)}


TABLE = {
    "name": "pictures",
    "where": "local",
    "budget": {"nfe": 2_000},
    "search": {"replicates": 1},
    "data": {"kind": "list", "queries": [asked(i % 3, i // 3) for i in range(12)]},
    "engines": {
        "generator": {
            "kind": "diffusion",
            "denoiser": {"kind": "mixture", "means": MEANS, "variance": 0.05, "shape": [2, 3, 1]},
            "row_seconds": 0.0005,
        },
        "reward": {"kind": "image_reward", "model": JUDGE, "look_seconds": 0.0001},
    },
    "checker": {"kind": "image_class", "model": JUDGE},
    "space": {"options": [SEARCH]},
}


def searched(by: str, folder: Path) -> Path:
    """The file of the frontier of a sweep."""
    record, _ = asyncio.run(run_sweep(Sweep.model_validate({**TABLE, "by": by}), folder / "pictures.db"))
    return write_outputs(record, folder / "pictures.db").toml


@pytest.mark.parametrize("by", ["nfe", "compute_seconds"])
def test_a_sweep_is_served_and_gives_an_image(tmp_path, by: str) -> None:
    frontier = Frontier.load(file := searched(by, tmp_path))
    assert frontier.by == by
    assert frontier.best().accuracy > frontier.points[0].accuracy
    costs = [point.cost["nfe"] for point in frontier.points]
    assert costs == [2 * point.strategy.n for point in frontier.points]
    assert costs[0] == 2 < costs[-1]
    with (
        serving(load_all([file])) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client,
    ):
        names = [model.id for model in client.models.list()]
        assert names == ["pictures"] + [f"pictures-{rank}" for rank in range(1, len(costs) + 1)]
        for name, cost in zip(names[1:], costs, strict=True):
            raw = client.images.with_raw_response.generate(model=name, prompt="picture 1")
            assert base64.b64decode(raw.parse().data[0].b64_json).startswith(SIGNATURE)
            assert orjson.loads(raw.headers["x-ponder-usage"])["nfe"] == cost
