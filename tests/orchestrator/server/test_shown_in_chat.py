"""Images in a chat are shown to the model, or refused by their place; no address is ever followed."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from scripted import ScriptedEngine, ScriptedSpec
from serving import ask, pipeline, single
from starlette.applications import Starlette
from unfetched import UNFETCHED

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.image_bytes import data_url
from ponder.orchestrator.images import Image
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.server.shown import MOST_IMAGES
from ponder.orchestrator.server.wire import read_request
from ponder.strategies import BestOfN
from ponder.verifiers import ProcessReward

SEEING = ScriptedSpec(name="seeing", image_tokens=100)
LARGE = Image(2048, 1500, 1, bytes(2048 * 1500))
BLACK, WHITE = (Image.of(np.full((4, 6, 3), shade, np.uint8)) for shade in (0, 255))


def part(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def said(*parts: dict[str, Any], before: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    words = {"type": "text", "text": "What is it?"}
    return {"model": "seeing", "messages": [*before, {"role": "user", "content": [words, *parts]}]}


def application() -> Starlette:
    blind = pipeline("half", BestOfN(n=2, verifier=ProcessReward(engine="judge")), engine=SEEING)
    half = blind.model_copy(update={"engines": {**blind.engines, "judge": SimulatedSpec()}})
    return create_app(by_name([single("seeing", SEEING), single("blind", ScriptedSpec(name="blind")), half]))


async def test_an_image_is_shown_after_the_words() -> None:
    app = application()
    async with app.router.lifespan_context(app):
        plain = await ask(app, {"model": "seeing", "messages": [{"role": "user", "content": "What is it?"}]})
        both = await ask(app, said(part(data_url(BLACK)), part(data_url(WHITE), detail="auto")))
    assert (plain.status, both.status) == (200, 200)
    without, shown = [request.prompt for request in ScriptedEngine.opened["seeing"].requests]
    assert without.images == () and shown.images == (BLACK, WHITE)
    assert shown.messages[-1].content == "What is it?"
    assert both.json["usage"]["prompt_tokens"] == plain.json["usage"]["prompt_tokens"] + 200


@pytest.mark.parametrize("model", ["blind", "half"])
async def test_a_model_of_which_one_engine_does_not_see_refuses_images(model: str) -> None:
    app = application()
    async with app.router.lifespan_context(app):
        refused = await ask(app, {**said(part(data_url(BLACK))), "model": model})
    assert (refused.status, refused.error["param"]) == (400, "messages[0].content[1]")
    assert "does not see images" in refused.error["message"]


def test_no_address_is_followed() -> None:
    for url in UNFETCHED:
        with pytest.raises(Refusal) as caught:
            read_request(said(part(url)))
        assert (caught.value.status, caught.value.param) == (400, "messages[0].content[1]")


def test_little_detail_is_scaled_down() -> None:
    file = io.BytesIO()
    Pillow.new("RGB", (1024, 600)).save(file, "JPEG")
    url = "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()
    details = ({"detail": "low"}, {"detail": "high"}, {})
    images = [read_request(said(part(url, **detail))).images[0] for detail in details]
    assert [(image.width, image.height) for image in images] == [(512, 300), (1024, 600), (1024, 600)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (said(before=({"role": "user", "content": [part(data_url(BLACK))]},)), "messages[0].content[0]"),
        (
            {"model": "m", "messages": [{"role": "system", "content": [part(data_url(BLACK))]}]},
            "messages[0].content[0]",
        ),
        (said(part(data_url(BLACK), detail="huge")), "messages[0].content[1].image_url.detail"),
        (said({"type": "image_url", "image_url": data_url(BLACK)}), "messages[0].content[1]"),
        (said({"type": "image_url", "image_url": {"url": 7}}), "messages[0].content[1]"),
        (said({"type": "image_url"}), "messages[0].content[1]"),
        (said(part(data_url(BLACK), more="x")), "messages[0].content[1]"),
        (said(*[part(data_url(BLACK))] * (MOST_IMAGES + 1)), f"messages[0].content[{MOST_IMAGES + 1}]"),
        (said(*[part(data_url(LARGE))] * 2), "messages[0].content[2]"),
        (said(*[part(data_url(LARGE), detail="low")] * 2), "messages[0].content[2]"),
        (said(part("data:image/png;base64,AAAA")), "messages[0].content[1]"),
    ],
)
def test_what_is_no_image_here_is_refused_by_its_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(body)
    assert caught.value.param == param
