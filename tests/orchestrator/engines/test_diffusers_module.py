"""Bare networks of diffusers: they make what diffusers' own schedulers make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_diffusers

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.denoising import Flow, Passage
from ponder.orchestrator.engines.denoisers import Condition, DiffusersModule, Digits
from ponder.orchestrator.engines.denoisers.classes import Classes
from ponder.orchestrator.engines.denoisers.diffusers_module import ModuleDenoiser
from ponder.orchestrator.engines.denoisers.walk import ddim_step
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import EngineRefused, UsageError
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import VP
from ponder.orchestrator.models import digits_flow
from ponder.orchestrator.run import Result, arun
from ponder.orchestrator.types import Query
from ponder.strategies import SVDD, RandomNoiseSearch
from ponder.strategies.denoising import times
from ponder.verifiers import ClassLogprob

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def dit(root: Path) -> DiffusersModule:
    return DiffusersModule(model=str(tiny_diffusers.make_dit(root / "dit")), device="cpu")


@pytest.fixture(scope="module")
def unet(root: Path) -> Callable[[str], DiffusersModule]:
    """A UNet whose scheduler says that it predicts this or that."""
    folder = tiny_diffusers.make_unet(root / "unet")

    def spec(predicts: str) -> DiffusersModule:
        scheduler = root / predicts
        tiny_diffusers.ddim_scheduler(prediction_type=predicts).save_pretrained(scheduler)
        return DiffusersModule(model=str(folder), scheduler=str(scheduler), device="cpu")

    return spec


@pytest.fixture(scope="module")
def digits() -> ModuleDenoiser:
    return Digits(device="cpu").load()


async def made(spec: Any, strategy: Any, pixels: int) -> Result:
    judge = GaussianClassifier(means=((-0.5,) * pixels, (0.5,) * pixels), variance=100.0)
    engines = {"generator": DiffusionSpec(denoiser=spec), "reward": ImageRewardSpec(model=judge)}
    return await arun(strategy, Query.ask("class 1"), engines=engines, budget=Budget(nfe=10_000))


def scheduled(network: Any, scheduler: Any, noise: np.ndarray, **told: Any) -> np.ndarray:
    """Where a scheduler of diffusers goes from a noise, by what a network tells."""
    import torch

    x = torch.from_numpy(noise.copy())[None]
    with torch.no_grad():
        for t in scheduler.timesteps:
            told_here = network(x, timestep=t[None], **told).sample
            x = scheduler.step(told_here, t, x).prev_sample
    return x[0].numpy()


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))


async def test_a_transformer_goes_as_its_flow_scheduler_does(dit: DiffusersModule) -> None:
    import torch
    from diffusers import DiTTransformer2DModel

    best = (await made(dit, RandomNoiseSearch(n=1, steps=STEPS, verifier=ClassLogprob()), 64)).best
    scheduler = tiny_diffusers.flow_scheduler()
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / STEPS, STEPS))
    network = DiTTransformer2DModel.from_pretrained(dit.model, low_cpu_mem_usage=False).eval()
    wanted = scheduled(network, scheduler, next(best.path()).latent.array, class_labels=torch.tensor([1]))
    assert apart(best.latent.array, wanted) < 1e-5
    assert (best.image.array == np.clip(np.rint((wanted[0, :, :, None] + 1) * 127.5), 0, 255)).all()


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
async def test_a_unet_goes_as_its_ddim_scheduler_does(unet: Callable[[str], DiffusersModule], predicts: str) -> None:
    from diffusers import UNet2DModel

    spec = unet(predicts)
    search = RandomNoiseSearch(n=1, steps=STEPS, solver="ddim", conditional=False, verifier=ClassLogprob())
    best = (await made(spec, search, 192)).best
    scheduler = tiny_diffusers.ddim_scheduler(prediction_type=predicts)
    scheduler.set_timesteps(STEPS)
    network = UNet2DModel.from_pretrained(spec.model, low_cpu_mem_usage=False).eval()
    wanted = scheduled(network, scheduler, next(best.path()).latent.array)
    assert apart(best.latent.array, wanted) < 1e-5


def test_a_table_that_ends_without_data_is_gone_through_too(root: Path) -> None:
    """A schedule of zero signal at time 1, which has no logarithm, is taken to end a little above it."""
    from diffusers import UNet2DModel

    scheduler = tiny_diffusers.ddim_scheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    scheduler.save_pretrained(root / "zero")
    spec = DiffusersModule(model=str(tiny_diffusers.make_unet(root / "zero_unet")), scheduler=str(root / "zero"))
    model = spec.model_copy(update={"device": "cpu"}).load()
    noise = np.random.default_rng(6).standard_normal((3, 8, 8)).astype(np.float32)
    scheduler.set_timesteps(STEPS)
    network = UNet2DModel.from_pretrained(spec.model, low_cpu_mem_usage=False).eval()
    x, before = noise[None], 1.0
    for t in times(STEPS):
        told = model.velocity(x, np.array([before]), [Condition()])
        x, before = ddim_step(model.facts.interpolant, x, told, (before, t)).astype(np.float32), t
    assert apart(x[0], scheduled(network, scheduler, noise)) < 1e-3


async def test_svdd_chooses_on_the_way(dit: DiffusersModule, unet: Callable[[str], DiffusersModule]) -> None:
    guided = await made(dit, SVDD(n=4, steps=STEPS, guidance=2.0, verifier=ClassLogprob()), 64)
    free = await made(unet("epsilon"), SVDD(n=4, steps=STEPS, conditional=False, verifier=ClassLogprob()), 192)
    for result in (guided, free):
        assert result.best.latent.t == 0.0
        assert result.best.image is not None


def test_the_embedded_model_writes_the_digits_it_is_asked_for(digits: ModuleDenoiser) -> None:
    """By a classifier that was trained on real digits and never saw these."""
    from safetensors.numpy import load_file

    asked = [Condition(f"draw a {digit}") for digit in range(10)] * 3
    x = np.random.default_rng(0).standard_normal((30, 1, 8, 8)).astype(np.float32)
    for t in np.arange(8, 0, -1) / 8:
        x = x - digits.velocity(x, np.full(30, t), asked) / 8
    layers = load_file(digits_flow() / "classifier.safetensors")
    hidden = np.maximum(x.reshape(30, 64) @ layers["w0"] + layers["b0"], 0)
    named = (hidden @ layers["w1"] + layers["b1"]).argmax(axis=1)
    assert (named == np.arange(30) % 10).mean() >= 0.9
    images = digits.decode(x)
    assert images.shape == (30, 8, 8, 1)
    assert (images[:, :, :, 0] == np.clip(np.rint((x[:, 0] + 1) * 127.5), 0, 255)).all()


def test_guidance_moves_away_from_the_null_label_in_one_batch(digits: ModuleDenoiser) -> None:
    seen: list[int] = []
    hook = digits._network.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(len(output[0])), with_kwargs=True
    )
    x, t = np.random.default_rng(1).standard_normal((3, 1, 8, 8)).astype(np.float32), np.array([1.0, 0.5, 0.25])
    guided = digits.velocity(x, t, [Condition("3", 2.5), Condition("4"), Condition("5", 0.0)])
    assert seen == [5]
    hook.remove()
    told = digits.velocity(x, t, [Condition("3"), Condition("4"), Condition("5")])
    anything = digits.velocity(x, t, [Condition()] * 3)
    wanted = anything + np.array([2.5, 1.0, 0.0]).reshape(3, 1, 1, 1) * (told - anything)
    assert apart(guided, wanted) < 1e-5
    assert apart(guided[1], told[1]) < 1e-5 < apart(told, anything)


async def test_the_rows_that_the_network_sees_are_charged() -> None:
    engine = DiffusionSpec(denoiser=Digits(device="cpu")).open()
    await engine.start()
    seen: list[int] = []
    engine.model._network.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(len(output[0])), with_kwargs=True
    )
    noises = np.random.default_rng(2).standard_normal((3, 1, 8, 8))
    passages = [
        Passage(Latent.of(noise, 1.0), Flow(guidance=2.0), f"a {number}", times(STEPS))
        for number, noise in enumerate(noises)
    ]
    found = await engine.denoise(passages)
    assert seen == [6] * STEPS
    assert sum(each.usage.nfe for each in found) == 6 * STEPS
    assert found[0].usage.flops == 2 * STEPS * engine.model.row_flops
    await engine.close()


def test_rows_are_told_the_same_whatever_is_beside_them(digits: ModuleDenoiser) -> None:
    x, t = np.random.default_rng(3).standard_normal((40, 1, 8, 8)).astype(np.float32), np.linspace(0.1, 1.0, 40)
    asked = [Condition(str(row % 10), 1.0 + row % 2) for row in range(40)]
    together = digits.velocity(x, t, asked)
    alone = [digits.velocity(x[row : row + 1], t[row : row + 1], asked[row : row + 1]) for row in range(40)]
    assert apart(together, np.concatenate(alone)) < 1e-5
    assert (digits.velocity(x, t, asked) == together).all(), "labels are dropped as in training"


def test_operations_are_those_of_layers_and_attention(dit: DiffusersModule) -> None:
    """Two a multiply-add of each linear layer and convolution, and of attention of 16 patches to one another."""
    import torch

    model = dit.load()
    found: list[int] = []

    def note(layer: Any, args: Any, output: Any) -> None:
        found.append(2 * output.numel() * layer.weight[0].numel())

    for layer in model._network.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
            layer.register_forward_hook(note)
    model.velocity(np.zeros((1, 1, 8, 8), np.float32), np.ones(1), [Condition("1")])
    attention = 2 * (2 * 2 * 16 * 16 * 16)
    assert model.row_flops == sum(found) + attention
    assert model.decoding_flops == 0


def test_a_vae_makes_images_of_the_data(unet: Callable[[str], DiffusersModule], tmp_path: Path) -> None:
    import torch
    from diffusers import UNet2DModel

    vae = tiny_diffusers.vae().eval()
    vae.save_pretrained(tmp_path / "vae")
    network = UNet2DModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
    )
    network.save_pretrained(tmp_path / "unet")
    with pytest.raises(EngineRefused, match="1 or 3 channels to be shown as they are, got 4; name the folder"):
        DiffusersModule(model=str(tmp_path / "unet")).load()
    model = DiffusersModule(model=str(tmp_path / "unet"), vae=str(tmp_path / "vae"), device="cpu", batch=2).load()
    assert (model.facts.shape, model.facts.size) == ((4, 4, 4), (8, 8))
    data = np.random.default_rng(4).standard_normal((3, 4, 4, 4)).astype(np.float32)
    with torch.no_grad():
        wanted = vae.decode(torch.from_numpy(data) / vae.config.scaling_factor + vae.config.shift_factor).sample
    pixels = np.clip(np.rint((wanted.numpy() + 1) * 127.5), 0, 255).transpose(0, 2, 3, 1)
    assert (model.decode(data) == pixels).all()
    assert model.decoding_flops > 10_000


async def test_weights_that_are_no_numbers_lose_every_candidate(dit: DiffusersModule, tmp_path: Path) -> None:
    import torch

    network = dit.load()._network
    with torch.no_grad():
        for weights in network.parameters():
            weights.fill_(float("nan"))
    network.save_pretrained(tmp_path)
    spec = DiffusersModule(model=str(tmp_path), device="cpu")
    for search in (
        RandomNoiseSearch(n=2, steps=2, verifier=ClassLogprob()),
        SVDD(n=2, steps=2, verifier=ClassLogprob()),
    ):
        result = await made(spec, search, 64)
        assert not result.candidates
        assert result.failures == 2
        assert "must stay finite while it is denoised, but is lost: NaN" in result.reason


def test_what_a_model_is_named_by(dit: DiffusersModule, root: Path) -> None:
    """Its weights and how it is asked, and not where it lies or in what batches."""
    moved = tiny_diffusers.make_dit(root / "elsewhere")
    alike = DiffusersModule(model=str(moved), device="cpu", batch=3)
    other = DiffusersModule(model=str(moved), device="cpu", interpolant=VP)
    assert dit.load().identity == alike.load().identity != other.load().identity
    (moved / "config.json").write_text((moved / "config.json").read_text().replace('"dropout": 0.0', '"dropout": 0.1'))
    assert alike.load().identity != dit.load().identity


def test_half_precision_is_near(dit: DiffusersModule) -> None:
    x, t = np.random.default_rng(5).standard_normal((4, 1, 8, 8)).astype(np.float32), np.linspace(0.25, 1.0, 4)
    exact, rounded = (
        spec.load().velocity(x, t, [Condition("3", 2.0)] * 4)
        for spec in (dit, dit.model_copy(update={"dtype": "bfloat16"}))
    )
    assert 0.0 < apart(rounded, exact) < 0.05


def test_a_denoiser_on_a_gpu_takes_one() -> None:
    on_gpu, on_cpu = (DiffusionSpec(denoiser=Digits(device=device)).resources() for device in ("cuda", "cpu"))
    assert (on_gpu, on_cpu) == ({"num_cpus": 1, "num_gpus": 1}, {"num_cpus": 1})


def test_an_unknown_time_of_a_table_is_the_nearest_entry(unet: Callable[[str], DiffusersModule]) -> None:
    model = unet("epsilon").load()
    seen: list[Any] = []
    model._network.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["timestep"]), with_kwargs=True
    )
    x = np.zeros((4, 3, 8, 8), np.float32)
    model.velocity(x, np.array([1.0, 0.5, 0.0014, 0.0002]), [Condition()] * 4)
    assert seen[0].tolist() == [999, 499, 0, 0]


def test_classes_are_those_that_the_network_knows(root: Path) -> None:
    folder = tiny_diffusers.make_unet(root / "classes", classes=4)
    spec = DiffusersModule(model=str(folder), interpolant=VP, predicts="epsilon", device="cpu")
    assert spec.load().classes == Classes(4, None)
    told = spec.model_copy(update={"null_label": 3}).load()
    assert told.classes == Classes(3, 3)
    x = np.ones((1, 3, 8, 8), np.float32)
    assert np.isfinite(told.velocity(x, np.ones(1), [Condition("2", 2.0)])).all()
    with pytest.raises(EngineRefused, match="number of a class, 0 to 2, got '3'"):
        told.velocity(x, np.ones(1), [Condition("3")])
    with pytest.raises(EngineRefused, match="number of a class, 0 to 2, got 'a cat'"):
        told.velocity(x, np.ones(1), [Condition("a cat")])
    with pytest.raises(EngineRefused, match="must be told a class, as it has no null label"):
        spec.load().velocity(x, np.ones(1), [Condition("2", 2.0)])
    with pytest.raises(EngineRefused, match="null_label must be below the network's 4 labels, got 4"):
        spec.model_copy(update={"null_label": 4}).load()


def test_what_cannot_be_is_refused(unet: Callable[[str], DiffusersModule], tmp_path: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler, EDMEulerScheduler

    spec = unet("epsilon")
    x = np.ones((1, 3, 8, 8), np.float32)
    with pytest.raises(EngineRefused, match="empty for a denoiser without classes, got 'a cat'"):
        spec.load().velocity(x, np.ones(1), [Condition("a cat")])
    with pytest.raises(EngineRefused, match="guidance must be 1 for a denoiser without classes"):
        spec.load().velocity(x, np.ones(1), [Condition("", 2.0)])
    with pytest.raises(EngineRefused, match="no sampler of its own"):
        spec.load().own(x, 1, [Condition()])
    with pytest.raises(EngineRefused, match="linear interpolant must predict velocity or sample, got 'epsilon'"):
        DiffusersModule(model=spec.model, predicts="epsilon").load()
    with pytest.raises(EngineRefused, match=r"config\.json must be there, got '/nowhere'"):
        DiffusersModule(model="/nowhere").load()
    with pytest.raises(UsageError, match="one of the two must be left out"):
        DiffusionSpec.model_validate({"denoiser": {**spec.model_dump(), "interpolant": {"kind": "linear"}}})
    EDMEulerScheduler().save_pretrained(tmp_path / "edm")
    with pytest.raises(EngineRefused, match="flow matching or hold a table alphas_cumprod, got EDMEulerScheduler"):
        DiffusersModule(model=spec.model, scheduler=str(tmp_path / "edm")).load()
    DPMSolverMultistepScheduler(prediction_type="flow_prediction").save_pretrained(tmp_path / "dpm")
    with pytest.raises(EngineRefused, match="epsilon, sample or v_prediction, got 'flow_prediction'"):
        DiffusersModule(model=spec.model, scheduler=str(tmp_path / "dpm")).load()
    for name, told in (("UNet2DConditionModel", "encoder_hidden_states"), ("FluxPipeline", "must name a ModelMixin")):
        (tmp_path / "config.json").write_text(f'{{"_class_name": "{name}"}}')
        with pytest.raises(EngineRefused, match=told):
            DiffusersModule(model=str(tmp_path)).load()
