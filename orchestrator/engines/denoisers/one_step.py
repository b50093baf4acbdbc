"""A scheduler by which a whole pipeline tells what its network does at one time."""

from __future__ import annotations

from typing import Any


class OneStep:
    """Stands in for a pipeline's scheduler: gives it one timestep, and catches what the network tells there.

    The pipeline sees the settings of its own scheduler, but nothing of that one's state is read or written. Latents go
    to the network as they are, in the interpolant of the network.

    Args:
        scheduler: that it stands in for.
        timestep: a number in a tensor.
    """

    order = 1
    init_noise_sigma = 1.0

    def __init__(self, scheduler: Any, timestep: Any) -> None:
        self._scheduler = scheduler
        self.timesteps = timestep.reshape(1)
        self.told: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)

    def set_timesteps(
        self,
        num_inference_steps: int = 1,
        device: Any = None,
        sigmas: Any = None,
        mu: Any = None,
        timesteps: Any = None,
    ) -> None:
        """Whatever is asked, the one timestep is given."""
        self.timesteps = self.timesteps.to(device)

    def set_begin_index(self, begin_index: int = 0) -> None:
        """There is one."""

    def scale_model_input(self, sample: Any, timestep: Any) -> Any:
        """The sample as it is."""
        return sample

    def step(self, model_output: Any, timestep: Any, sample: Any, **rest: Any) -> tuple[Any]:
        """Catch what was told, guidance applied, and stay."""
        self.told = model_output
        return (sample,)
