"""FVD: Fréchet distance between the I3D features of predicted and of real videos, in two covariance conventions."""

from __future__ import annotations

from functools import partial

from .frechet import frechet_distance, inner_products
from .set_distance import SetDistance

_unbiased_covariance = partial(frechet_distance, divisor="N - 1")
_population_covariance = partial(frechet_distance, divisor="N")

fvd = SetDistance(name="FVD", kernels=inner_products, paired=_unbiased_covariance, unpaired=_unbiased_covariance)
"""Covariances with divisor N - 1."""

fvd_population = SetDistance(name="FVD", kernels=inner_products, paired=_population_covariance, unpaired=_population_covariance)
"""Covariances with divisor N, as StyleGAN-V's and the content-debiased FVD's tools take them."""
