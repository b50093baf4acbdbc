"""Whole pipelines of diffusers: stepwise and by their own samplers, they make what the plain pipeline makes."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny_diffusers

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.denoising import Flow, Passage
from ponder.orchestrator.engines.denoisers import Condition, DiffusersPipeline
from ponder.orchestrator.engines.denoisers.diffusers_pipeline import PipelineDenoiser
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.images import Image, Latent
from ponder.orchestrator.run import Result, arun
from ponder.orchestrator.types import Query
from ponder.strategies import SVDD, RandomNoiseSearch
from ponder.strategies.denoising import times
from ponder.verifiers import ClassLogprob

pytestmark = pytest.mark.usefixtures("one_thread")
SIDE = tiny_diffusers.SIDE
PIXELS = SIDE * SIDE * 3
PROMPT = "1 cat"
STEPS = 4


class Case(NamedTuple):
    """A pipeline, and the solver that goes where its own sampler goes."""

    folder: Path
    network: str
    solver: str
    guidance: float

    @property
    def spec(self) -> DiffusersPipeline:
        return DiffusersPipeline(model=str(self.folder), height=SIDE, width=SIDE, device="cpu")

    @property
    def scale(self) -> str:
        return "true_cfg_scale" if self.network == "transformer" else "guidance_scale"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipelines")


@pytest.fixture(scope="module")
def flux(root: Path) -> Case:
    folder = tiny_diffusers.make_flux(root / "flux", reads=True, guidance_embeds=False)
    return Case(folder, "transformer", "euler", 2.0)


@pytest.fixture(scope="module")
def stable_diffusion(root: Path) -> Case:
    folder = tiny_diffusers.make_stable_diffusion(root / "stable_diffusion")
    return Case(folder, "unet", "ddim", 2.0)


@pytest.fixture(scope="module")
def stable_diffusion_xl(root: Path) -> Case:
    folder = tiny_diffusers.make_stable_diffusion_xl(root / "stable_diffusion_xl")
    return Case(folder, "unet", "ddim", 2.0)


@pytest.fixture(params=["flux", "stable_diffusion"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


@cache
def plain_pipe(folder: Path) -> Any:
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(str(folder), low_cpu_mem_usage=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@cache
def loaded(spec: DiffusersPipeline) -> PipelineDenoiser:
    return spec.load()


def plain(case: Case, noise: np.ndarray, guidance: float, output_type: str) -> np.ndarray:
    """What diffusers alone makes of a noise."""
    import torch

    asked: dict[str, Any] = {"guidance_scale": 1.0, case.scale: guidance}
    if case.network == "transformer":
        asked["negative_prompt"] = ""
    made = plain_pipe(case.folder)(
        PROMPT,
        latents=torch.from_numpy(noise.copy())[None],
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        output_type=output_type,
        **asked,
    )
    return np.asarray(made.images[0])


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """How far numbers are from others at most, in units of the largest of those where that is above 1."""
    return float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))


def engines(spec: DiffusersPipeline) -> dict[str, Any]:
    means = ((-0.5,) * PIXELS, (0.5,) * PIXELS)
    judge = GaussianClassifier(means=means, variance=100.0)
    return {"generator": DiffusionSpec(denoiser=spec), "reward": ImageRewardSpec(model=judge)}


async def made(spec: DiffusersPipeline, strategy: Any) -> Result:
    return await arun(strategy, Query.ask(PROMPT), engines=engines(spec), budget=Budget(nfe=10_000))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "stepwise"])
@pytest.mark.parametrize("name", ["flux", "stable_diffusion", "stable_diffusion_xl"])
async def test_one_image_is_that_of_the_plain_pipeline(
    name: str, is_whole: bool, guidance: float, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    solver = "own" if is_whole else case.solver
    search = RandomNoiseSearch(n=1, steps=STEPS, solver=solver, guidance=guidance, verifier=ClassLogprob())
    best = (await made(case.spec, search)).best
    noise = next(best.path()).latent.array
    assert apart(best.latent.array, plain(case, noise, guidance, "latent")) < 1e-5
    shown = plain(case, noise, guidance, "pil").astype(int)
    assert np.abs(best.image.array.astype(int) - shown).max() <= 1
    assert best.image.array.std() > 10, "an image in one colour would equal any other"


async def test_prompts_and_guidance_change_the_image(case: Case) -> None:
    model = loaded(case.spec)
    x = noises(model, 1)
    told = [model.velocity(x, np.ones(1), [Condition(*each)]) for each in (("", 1.0), (PROMPT, 1.0), (PROMPT, 3.0))]
    assert all(np.abs(told[0] - each).max() > 1e-4 for each in told[1:])
    assert np.abs(told[0] + 3.0 * (told[1] - told[0]) - told[2]).max() < 1e-4


async def test_svdd_chooses_on_the_way_and_makes_a_whole_image(case: Case) -> None:
    search = SVDD(n=4, steps=STEPS, guidance=case.guidance, verifier=ClassLogprob())
    result = await made(case.spec, search)
    assert result.best.latent.t == 0.0
    assert (result.best.image.width, result.best.image.height, result.best.image.channels) == (SIDE, SIDE, 3)
    assert result.best.scores["class_logprob"].value is not None


@pytest.mark.parametrize("guidance", [1.0, 2.0])
async def test_evaluations_are_the_rows_that_the_network_sees(case: Case, guidance: float) -> None:
    engine = DiffusionSpec(denoiser=case.spec).open()
    await engine.start()
    seen: list[int] = []
    getattr(engine.model._pipe, case.network).register_forward_hook(
        lambda module, args, kwargs, output: seen.append(len(output[0])), with_kwargs=True
    )
    for solver in (case.solver, "own"):
        seen.clear()
        flow = Flow(solver=solver, guidance=guidance)
        starts = [Latent.of(noise, 1.0) for noise in noises(engine.model, 3)]
        found = await engine.denoise([Passage(start, flow, PROMPT, times(STEPS)) for start in starts])
        assert sum(seen) == sum(each.usage.nfe for each in found) == 3 * STEPS * (1 if guidance == 1.0 else 2)
    await engine.close()


def noises(model: PipelineDenoiser, rows: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((rows, *model.facts.shape)).astype(np.float32)


def test_rows_are_told_the_same_whatever_is_beside_them(case: Case) -> None:
    model = loaded(case.spec)
    x, t = noises(model, 6), np.array([1.0, 0.5, 1.0, 0.25, 0.5, 1.0])
    asked = [Condition(f"{row} cats", 1.0 + row % 2) for row in range(6)]
    together = model.velocity(x, t, asked)
    alone = [model.velocity(x[row : row + 1], t[row : row + 1], asked[row : row + 1]) for row in range(6)]
    assert apart(together, np.concatenate(alone)) < 1e-5
    whole = model.own(x, STEPS, asked)
    assert apart(whole[4:5], model.own(x[4:5], STEPS, asked[4:5])) < 1e-5
    assert (model.decode(whole)[4:5] == model.decode(whole[4:5])).all()


def test_asking_for_velocities_leaves_no_trace(case: Case) -> None:
    """Neither the order of times nor what was asked before has a say, and the pipeline's own way is as before."""
    model, fresh = loaded(case.spec), case.spec.load()
    x, asked = noises(model, 1), [Condition(PROMPT, 2.0)]
    before = model.own(x, STEPS, asked)
    for t in (0.25, 1.0, 1.0, 0.5):
        told = model.velocity(x, np.array([t]), asked)
    assert (told == fresh.velocity(x, np.array([0.5]), asked)).all()
    assert (model.own(x, STEPS, asked) == before).all()


async def test_weights_that_are_no_numbers_lose_every_candidate(case: Case, tmp_path: Path) -> None:
    import torch

    pipe = copy.deepcopy(plain_pipe(case.folder))
    with torch.no_grad():
        for weights in getattr(pipe, case.network).parameters():
            weights.fill_(float("nan"))
    pipe.save_pretrained(tmp_path)
    spec = case.spec.model_copy(update={"model": str(tmp_path)})
    for search in (
        RandomNoiseSearch(n=2, steps=2, solver="own", verifier=ClassLogprob()),
        SVDD(n=2, steps=2, verifier=ClassLogprob()),
    ):
        result = await made(spec, search)
        assert not result.candidates
        assert result.failures == 2
        assert "must stay finite while it is denoised, but is lost: NaN" in result.reason


def test_operations_grow_with_what_is_computed(stable_diffusion: Case) -> None:
    """Four times the pixels take four times the products, and attention more."""
    small = loaded(stable_diffusion.spec)
    large = stable_diffusion.spec.model_copy(update={"height": 2 * SIDE, "width": 2 * SIDE}).load()
    assert large.facts.shape == (4, SIDE, SIDE)
    assert 3 * small.row_flops < large.row_flops < 6 * small.row_flops
    assert 3.5 * small.decoding_flops < large.decoding_flops < 6 * small.decoding_flops


def write_embeddings(file: Path, tensors: dict[str, Any], prompts: list[str] | None) -> None:
    from safetensors.torch import save_file

    save_file(tensors, file, metadata=None if prompts is None else {"prompts": json.dumps(prompts)})


@pytest.mark.parametrize("name", ["flux", "stable_diffusion"])
def test_embeddings_stand_in_for_text_encoders(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    import torch

    case: Case = request.getfixturevalue(name)
    reads = loaded(case.spec)
    prompts = [PROMPT, ""]
    rows = [reads.family.encoded(prompt) for prompt in prompts]
    stacked = {key: torch.cat([row[key] for row in rows]) for key in reads.family.embeddings}
    write_embeddings(tmp_path / "prompts.safetensors", stacked, prompts)
    told = case.spec.model_copy(update={"embeddings": str(tmp_path / "prompts.safetensors")}).load()
    assert all(getattr(told._pipe, part) is None for part in reads.family.text_parts)
    x, asked = noises(reads, 1), [Condition(PROMPT, 2.0)]
    assert np.abs(told.own(x, 2, asked) - reads.own(x, 2, asked)).max() < 1e-6
    with pytest.raises(EngineRefused, match="must hold embeddings of 'a dog'"):
        told.velocity(x, np.ones(1), [Condition("a dog")])


def test_a_file_of_embeddings_must_fit(flux: Case, tmp_path: Path) -> None:
    import torch

    file = tmp_path / "prompts.safetensors"
    spec = flux.spec.model_copy(update={"embeddings": str(file)})
    with pytest.raises(EngineRefused, match=r"in a file of safetensors, but .* is not there"):
        spec.load()
    two = {"prompt_embeds": torch.ones(2, 5, 32), "pooled_prompt_embeds": torch.ones(2, 32)}
    write_embeddings(file, {"prompt_embeds": two["prompt_embeds"]}, ["a", "b"])
    with pytest.raises(EngineRefused, match="tensors named prompt_embeds, pooled_prompt_embeds, got prompt_embeds"):
        spec.load()
    write_embeddings(file, two, None)
    with pytest.raises(EngineRefused, match="must hold 1 rows, one a prompt"):
        spec.load()


def test_a_flux_that_is_told_guidance_takes_one_row_and_one_embedding(root: Path, tmp_path: Path) -> None:
    import torch

    folder = tiny_diffusers.make_flux(root / "told", reads=False, guidance_embeds=True)
    spec = DiffusersPipeline(model=str(folder), height=SIDE, width=SIDE, device="cpu")
    with pytest.raises(EngineRefused, match="must have a text_encoder to read prompts"):
        spec.load()
    one = {"prompt_embeds": torch.ones(1, 5, 32), "pooled_prompt_embeds": torch.ones(1, 32)}
    write_embeddings(tmp_path / "one.safetensors", one, None)
    model = spec.model_copy(update={"embeddings": str(tmp_path / "one.safetensors")}).load()
    assert model.facts.rows(3.5) == 1
    x = noises(model, 1)
    weak, strong = (model.velocity(x, np.ones(1), [Condition("whatever", scale)]) for scale in (0.5, 3.5))
    assert np.abs(weak - strong).max() > 1e-4


def test_what_cannot_be_is_refused(flux: Case, stable_diffusion: Case, tmp_path: Path) -> None:
    from diffusers import PNDMScheduler

    (tmp_path / "model_index.json").write_text('{"_class_name": "PixArtAlphaPipeline"}')
    with pytest.raises(EngineRefused, match=r"one of FluxPipeline, .*, got 'PixArtAlphaPipeline'"):
        DiffusersPipeline(model=str(tmp_path)).load()
    with pytest.raises(EngineRefused, match=r"model_index\.json must be there, got '/nowhere'"):
        DiffusersPipeline(model="/nowhere").load()
    with pytest.raises(EngineRefused, match="multiples of 4"):
        flux.spec.model_copy(update={"width": 18}).load()
    model = loaded(stable_diffusion.spec)
    with pytest.raises(EngineRefused, match=r"guidance of this pipeline must be 1 or more, got 0\.5"):
        model.velocity(noises(model, 1), np.ones(1), [Condition(PROMPT, 0.5)])
    PNDMScheduler(skip_prk_steps=True, steps_offset=1).save_pretrained(tmp_path / "pndm")
    twice = stable_diffusion.spec.model_copy(update={"scheduler": str(tmp_path / "pndm")}).load()
    with pytest.raises(EngineRefused, match="once a step, but PNDMScheduler does it 5 times in 4 steps"):
        twice.own(noises(twice, 1), 4, [Condition()])


@pytest.mark.parametrize("name", ["flux", "stable_diffusion", "stable_diffusion_xl"])
def test_half_precision_is_near(name: str, request: pytest.FixtureRequest) -> None:
    spec: DiffusersPipeline = request.getfixturevalue(name).spec
    exact, rounded = loaded(spec), loaded(spec.model_copy(update={"dtype": "float16"}))
    x, asked = noises(exact, 2), [Condition(PROMPT, 2.0)] * 2
    t = np.array([1.0, 0.5])
    assert 0.0 < apart(rounded.velocity(x, t, asked), exact.velocity(x, t, asked)) < 0.05
    data = exact.own(x, 2, asked)
    assert 0.0 < apart(rounded.own(x, 2, asked), data) < 0.05
    assert np.abs(rounded.decode(data).astype(int) - exact.decode(data)).max() < 8


def test_a_sampler_that_adds_noise_draws_it_by_the_latents(stable_diffusion: Case, tmp_path: Path) -> None:
    from diffusers import EulerAncestralDiscreteScheduler

    EulerAncestralDiscreteScheduler(steps_offset=1).save_pretrained(tmp_path)
    model = stable_diffusion.spec.model_copy(update={"scheduler": str(tmp_path)}).load()
    x, asked = noises(model, 2), [Condition(PROMPT)] * 2
    made = model.own(x, STEPS, asked)
    assert np.abs(made - model.own(x, STEPS, asked)).max() == 0.0
    assert np.abs(made[1:] - model.own(x[1:], STEPS, asked[1:])).max() < 1e-5 * np.abs(made).max()


def test_images_are_those_of_their_bytes(flux: Case) -> None:
    model = loaded(flux.spec)
    pixels = model.decode(np.zeros((9, *model.facts.shape), np.float32))
    assert pixels.shape == (9, SIDE, SIDE, 3)
    assert Image.of(pixels[8]).width == SIDE
