"""Reward models of images in torch, on tiny random weights: what they tell is what transformers computes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file
from tiny_vision import SIDE, blip_vqa, clip, image, image_reward, layers, llava, processor
from transformers import AutoTokenizer

from ponder.orchestrator.denoising import Look
from ponder.orchestrator.engines.image_models import Aesthetic, BlipReward, ClipScore, VqaScore
from ponder.orchestrator.engines.image_models.blip_reward import MEAN, STD
from ponder.orchestrator.engines.image_models.preprocessing import Preprocessing
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.images import Image

IMAGES = [image(SIDE, SIDE, seed=1), image(30, 20, 3, seed=2), image(8, 8, seed=3)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def pixels(folder: Path, images: list[Image]) -> torch.Tensor:
    return Preprocessing.of(folder)(images)


@pytest.mark.parametrize("filter_", [0, 2, 3])
@pytest.mark.parametrize("size", [{"shortest_edge": 12}, {"height": 10, "width": 14}, {"height": 40, "width": 50}])
def test_pictures_are_resized_as_pillow_does(tmp_path: Path, filter_: int, size: dict[str, int]) -> None:
    shown = image(20, 30, 3)
    settings = {"size": size, "resample": filter_, "do_center_crop": False, "do_normalize": False}
    processor(tmp_path, **settings)
    found = pixels(tmp_path, [shown])[0] * 255
    height, width = (12, 18) if "shortest_edge" in size else (size["height"], size["width"])
    wanted = np.asarray(Pillow.fromarray(shown.array).resize((width, height), filter_), np.float32)
    assert found.shape == (3, height, width)
    assert np.abs(found.permute(1, 2, 0).numpy() - wanted).max() <= 1.001  # Pillow computes in fixed point


def test_a_picture_is_cropped_to_its_middle_and_normalised(tmp_path: Path) -> None:
    processor(tmp_path, size=8, crop_size=8, image_mean=[0.5] * 3, image_std=[0.25, 0.5, 1.0], resample=2)
    shown = image(8, 12, 3)
    (found,) = pixels(tmp_path, [shown]).numpy()
    wanted = (shown.array[:, 2:10] / 255 - 0.5) / [0.25, 0.5, 1.0]
    np.testing.assert_allclose(found.transpose(1, 2, 0), wanted, atol=1e-6)
    grey = image(8, 8)
    (three,) = pixels(tmp_path, [grey]).numpy() * np.array([0.25, 0.5, 1.0])[:, None, None] + 0.5
    np.testing.assert_allclose(three, np.repeat(grey.array.transpose(2, 0, 1) / 255, 3, axis=0), atol=1e-6)


def test_settings_that_cannot_be_followed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match=r"must hold a preprocessor_config\.json"):
        Preprocessing.of(tmp_path)
    processor(tmp_path, resample=1)
    with pytest.raises(EngineRefused, match=r"resample by one of \[0, 2, 3\], got 1"):
        Preprocessing.of(tmp_path)
    processor(tmp_path, do_center_crop=False)
    with pytest.raises(EngineRefused, match="must be of one size after resizing"):
        pixels(tmp_path, [image(8, 8), image(8, 12)])


def test_a_clip_score_is_the_cosine_of_two_embeddings(tmp_path: Path) -> None:
    model = clip(tmp_path)
    score = ClipScore(model=str(tmp_path), text="a {prompt}", batch=2).load()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    told = model(**tokenizer(["a cat 1"], return_tensors="pt"), pixel_values=pixels(tmp_path, IMAGES))
    found = score.values(IMAGES, "cat 1")
    cosines = told.logits_per_image / model.logit_scale.exp()
    np.testing.assert_allclose(found, cosines.numpy(), atol=1e-6)
    assert found.shape == (3, 1) and np.abs(found).max() <= 1
    assert abs(found - score.values(IMAGES, "dog")).max() > 1e-4
    assert np.isfinite(score.values(IMAGES[:1], "a very long prompt " * 20)).all()


def test_what_a_look_costs_is_counted_on_the_model(tmp_path: Path) -> None:
    """Each of 5 tokens of an image (4 patches and a class) passes 2 layers of 4 * 16^2 + 2 * 16 * 32 weights."""
    clip(tmp_path)
    flops = ClipScore(model=str(tmp_path)).load().look_flops
    tower = 2 * 5 * 2 * (4 * 16**2 + 2 * 16 * 32)
    patches = 2 * 4 * 16 * 3 * 64
    assert tower + patches < flops < 2.5 * (tower + patches)  # the text, attention and projections beside it


def test_an_aesthetic_score_is_a_head_on_the_unit_embedding(tmp_path: Path) -> None:
    model = clip(tmp_path)
    head = layers("layers.", (8, 6, 4, 1), (0, 2, 6))
    save_file(head, tmp_path / "head.safetensors")
    score = Aesthetic(model=str(tmp_path), head=str(tmp_path / "head.safetensors")).load()
    x = model.get_image_features(pixel_values=pixels(tmp_path, IMAGES)).pooler_output
    x = x / x.norm(dim=-1, keepdim=True)
    for number in (0, 2, 6):
        x = x @ head[f"layers.{number}.weight"].T + head[f"layers.{number}.bias"]
    np.testing.assert_allclose(score.values(IMAGES, "whatever"), x.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(score.values(IMAGES, "a"), score.values(IMAGES, "b"))


@pytest.mark.parametrize(("sizes", "told"), [((7, 1), "from 8 numbers to one"), ((8, 2), "leads by"), ((), "leads by")])
def test_a_head_that_does_not_fit_is_refused(tmp_path: Path, sizes: tuple[int, ...], told: str) -> None:
    clip(tmp_path)
    held = layers("layers.", sizes, (0,)) if sizes else {"other": torch.zeros(1)}
    save_file(held, tmp_path / "head.safetensors")
    with pytest.raises(EngineRefused, match=told):
        Aesthetic(model=str(tmp_path), head=str(tmp_path / "head.safetensors")).load()


def test_image_reward_reads_the_prompt_with_the_image_in_view(tmp_path: Path) -> None:
    vision, text, head = image_reward(tmp_path)
    score = BlipReward(model=str(tmp_path)).load()
    seen = vision(pixel_values=pixels(tmp_path, IMAGES)).last_hidden_state
    said = AutoTokenizer.from_pretrained(tmp_path)(["a cat"] * 3, return_tensors="pt")  # without padding
    x = text(**said, encoder_hidden_states=seen).last_hidden_state[:, 0]
    for number in (0, 2, 4):
        x = x @ head[f"mlp.layers.{number}.weight"].T + head[f"mlp.layers.{number}.bias"]
    np.testing.assert_allclose(score.values(IMAGES, "a cat"), ((x - MEAN) / STD).numpy(), rtol=1e-3, atol=1e-4)
    assert abs(score.values(IMAGES, "a cat") - score.values(IMAGES, "a dog")).max() > 1e-4


def test_a_vqa_score_is_the_chance_of_the_answer(tmp_path: Path) -> None:
    model = blip_vqa(tmp_path)
    score = VqaScore(model=str(tmp_path), question="does this show {prompt}", answer="yes").load()
    found = score.values(IMAGES, "a cat")
    other = VqaScore(model=str(tmp_path), question="does this show {prompt}", answer="no").load()
    refused = other.values(IMAGES, "a cat")
    asked = AutoTokenizer.from_pretrained(tmp_path)(["does this show a cat"], return_tensors="pt")
    for i, shown in enumerate(IMAGES):
        written = model.generate(
            input_ids=asked.input_ids,
            pixel_values=pixels(tmp_path, [shown]),
            max_new_tokens=1,
            return_dict_in_generate=True,
            output_logits=True,
        )
        chances = written.logits[0][0].softmax(dim=-1)
        assert (found[i, 0], refused[i, 0]) == pytest.approx((float(chances[6]), float(chances[7])), rel=1e-4)
    assert abs(found - score.values(IMAGES, "a dog")).max() > 1e-6
    with pytest.raises(EngineRefused, match="must be in the model's vocabulary"):
        VqaScore(model=str(tmp_path), answer="perhaps").load()


def test_a_model_that_writes_is_asked_by_its_chat_template(tmp_path: Path) -> None:
    model = llava(tmp_path)
    score = VqaScore(model=str(tmp_path), question="does this show {prompt}").load()
    found = score.values(IMAGES, "a cat")
    processor(tmp_path)
    ids = torch.tensor([[5, 6, 2, 2, 2, 2, 8, 9, 10, 13, 11, 7, 6]])
    for i, shown in enumerate(IMAGES):
        logits = model(input_ids=ids, pixel_values=pixels(tmp_path, [shown])).logits[0, -1]
        assert found[i, 0] == pytest.approx(float(logits.softmax(dim=-1)[3]), rel=1e-3)
    assert score.look_flops > 0


def test_a_folder_that_lacks_something_is_refused_with_what(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match=r"folder with a config\.json"):
        ClipScore(model=str(tmp_path / "none")).load()
    clip(tmp_path)
    for name, told in (("tokenizer.json", "must hold a tokenizer"), ("model.safetensors", "must hold a CLIPModel in")):
        (tmp_path / name).rename(tmp_path / "aside")
        with pytest.raises(EngineRefused, match=told):
            ClipScore(model=str(tmp_path)).load()
        (tmp_path / "aside").rename(tmp_path / name)


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    model = clip(tmp_path)
    held = {key: each.contiguous() for key, each in model.state_dict().items() if "visual_projection" not in key}
    save_file(held, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineRefused, match=r"lacks 1, e\.g\. visual_projection"):
        ClipScore(model=str(tmp_path)).load()
    (tmp_path / "reward").mkdir()
    image_reward(tmp_path / "reward")
    settings = json.loads((tmp_path / "reward" / "config.json").read_text())
    settings["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "reward" / "config.json").write_text(json.dumps(settings))
    with pytest.raises(EngineRefused, match="must hold all weights of BlipVisionModel"):
        BlipReward(model=str(tmp_path / "reward")).load()


async def test_an_engine_looks_in_batches_and_names_the_weights(tmp_path: Path) -> None:
    clip(tmp_path)
    engines = [ImageRewardSpec(model=ClipScore(model=str(tmp_path), batch=batch)).open() for batch in (1, 3)]
    told = []
    for engine in engines:
        await engine.start()
        told.append(np.array(await engine.look(Look(tuple(IMAGES), "a cat"))))
        await engine.close()
    np.testing.assert_allclose(*told, atol=1e-6)
    assert engines[0].identity == engines[1].identity
    assert engines[0].meter.looking().flops > 0
    specs = [ImageRewardSpec(model=ClipScore(model=str(tmp_path), device=device)) for device in ("cpu", "cuda")]
    assert [spec.resources() for spec in specs] == [{"num_cpus": 1}, {"num_cpus": 1, "num_gpus": 1}]
    (tmp_path / "preprocessor_config.json").unlink()
    processor(tmp_path, resample=2)
    assert ClipScore(model=str(tmp_path)).load().identity not in engines[0].identity
