"""The Gaussian of a map: from its moments, and by a least-squares fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import CSV, SHAPES, Number, Statistic
from .context import StatisticContext
from .gaussian_fit import fit
from .moments import moments
from .profile import Center


class Gaussian(Statistic):
    """Moments of the map's mass, and a Gaussian fitted to it."""

    name = 'gaussian'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Moments and fit: centre (y, x), sigmas (px), anisotropy, angle."""
        by_moments = moments(map_hw)
        sigma_y, sigma_x = by_moments.sigma
        result: dict = {
            'moments': {
                'center': list(by_moments.center),
                'sigma_y': sigma_y,
                'sigma_x': sigma_x,
            },
            'anisotropy': sigma_y / sigma_x if sigma_x else None,
            'orientation': by_moments.orientation,
            'fit': None,
        }
        fitted = fit(map_hw)
        if fitted is not None:
            result['fit'] = {
                'center': list(fitted.center),
                'sigma_y': fitted.sigma[0],
                'sigma_x': fitted.sigma[1],
                'correlation': fitted.correlation,
                'r2': fitted.r2,
            }
        return result

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """Sigmas by moments and fit, R2 and anisotropy."""
        y, x = ('moments', 'sigma_y'), ('moments', 'sigma_x')
        return [
            Number('sigma_y', y, 'sigma y (px)', places={CSV}, rank=40),
            Number('sigma_x', x, 'sigma x (px)', places={CSV}, rank=40),
            Number(
                'sigma',
                y,
                'sigma y, x (px)',
                form='.1f',
                beside=x,
                places={SHAPES},
                rank=40,
            ),
            Number(
                'fit_sigma',
                ('fit', 'sigma_y'),
                'fitted sigma y, x (px)',
                form='.1f',
                beside=('fit', 'sigma_x'),
                places={SHAPES},
                rank=41,
            ),
            Number('r2', ('fit', 'r2'), 'R2', '.2f', places={SHAPES}, rank=42),
            Number(
                'anisotropy',
                ('anisotropy',),
                'sigma y / x',
                form='.2f',
                places={SHAPES},
                rank=43,
            ),
        ]
