"""Settings of the process are changed while somebody needs them so, and put back."""

import gc
import sys

import pytest

from ponder.orchestrator.engines.denoisers import Digits
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.process_settings import OBJECTS, SWITCH_S
from ponder.orchestrator.runtime import Runtime


async def test_the_collector_runs_seldom_while_a_runtime_is_open_and_threads_switch_quickly_while_images_are_made() -> (
    None
):
    before = gc.get_threshold(), sys.getswitchinterval()
    async with Runtime({"generator": SimulatedSpec()}):
        assert (gc.get_threshold()[0], sys.getswitchinterval()) == (OBJECTS, before[1])
        async with Runtime({"generator": DiffusionSpec(denoiser=Digits())}) as runtime:
            await runtime.engines["generator"].start()
            assert (gc.get_threshold()[0], sys.getswitchinterval()) == (OBJECTS, pytest.approx(SWITCH_S, rel=0.01))
        assert (gc.get_threshold()[0], sys.getswitchinterval()) == (OBJECTS, before[1])
    assert (gc.get_threshold(), sys.getswitchinterval()) == before


async def test_who_wants_fewer_collections_still_has_them() -> None:
    before = gc.get_threshold()
    try:
        for wanted in (0, 10 * OBJECTS):
            gc.set_threshold(wanted)
            async with Runtime({"generator": SimulatedSpec()}):
                assert gc.get_threshold()[0] == wanted
    finally:
        gc.set_threshold(*before)
