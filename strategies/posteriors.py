"""Posteriors of a mean reward, kept up with one observation at a time: what Thompson sampling draws from."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

Weight = Annotated[float, Field(ge=1e-3, le=1e9)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Gaussian(BaseModel):
    """A mean of unknown variance: normal-inverse-chi-squared (Murphy 2023, section 3.4.3.3).

    Conjugate, so that a posterior is the prior of the next observation and each costs O(1); after any number of them
    the parameters are those of the formulas over the whole batch.

    Args:
        mean: the expected mean, m.
        kappa: how many observations `mean` is worth.
        nu: how many observations `tau2` is worth, at least 1.
        tau2: the expected variance of one observation.

    >>> Gaussian(mean=0, kappa=1, nu=1, tau2=0.1).observed(1.0)
    Gaussian(kind='gaussian', mean=0.5, kappa=2.0, nu=2.0, tau2=0.3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["gaussian"] = "gaussian"
    mean: Finite = 0.0
    kappa: Weight = 1.0
    nu: Annotated[float, Field(ge=1, le=1e9)] = 1.0
    tau2: Annotated[float, Field(ge=1e-9, le=1e9)] = 0.1

    def observed(self, reward: float) -> Gaussian:
        """The posterior after one more reward."""
        kappa, nu, off = self.kappa + 1, self.nu + 1, reward - self.mean
        return Gaussian.model_construct(
            mean=self.mean + off / kappa,
            kappa=kappa,
            nu=nu,
            tau2=(self.nu * self.tau2 + self.kappa * off * off / kappa) / nu,
        )

    def draw(self, rng: np.random.Generator) -> float:
        """A mean: variance ~ InvGamma(nu / 2, nu tau2 / 2), then mean ~ N(m, variance / kappa)."""
        variance = self.nu * self.tau2 / 2 / rng.standard_gamma(self.nu / 2)
        return self.mean + rng.standard_normal() * math.sqrt(variance / self.kappa)


class Beta(BaseModel):
    """The rate of a reward in [0, 1]: Beta, by default Jeffreys' prior; a reward r counts as r successes in one trial.

    Args:
        a: successes seen.
        b: failures seen.

    >>> Beta().observed(1.0).observed(0.25)
    Beta(kind='beta', a=1.75, b=1.25)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["beta"] = "beta"
    a: Weight = 0.5
    b: Weight = 0.5

    def observed(self, reward: float) -> Beta:
        """The posterior after one more reward."""
        return Beta.model_construct(a=self.a + reward, b=self.b + 1 - reward)

    def draw(self, rng: np.random.Generator) -> float:
        """A rate."""
        return rng.beta(self.a, self.b)


Posterior = Annotated[Gaussian | Beta, Field(discriminator="kind")]
