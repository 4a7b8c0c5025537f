"""Faithfulness: whether a map names first the pixels that move a unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..attributions.perturbation import check_number
from ..errors import MeasurementError
from ..inputs.forms import batches_of
from .base import UnitMeasurement
from .copies import OpenImage
from .fills import Replace
from .options import ContextOptions, named_attributions
from .ranking import RankingResult
from .squares import descending, patch_labels, shares_of_patches

_PATCHES = 32  # along the image's longer side, by default


class FaithfulnessMeasurement(UnitMeasurement):
    """Measures how faithful attributions are on images as they come.

    For each unit of an image, patches are replaced in descending order of
    the map's mean contribution, and in ``draws`` random orders. Equal patches
    of a map stand in the first random order.

    Args:
        model, options: As for UnitMeasurement.
        attributions (iterable, optional): See ``named_attributions``.
        steps (int): Points of a curve after the first.
        scale (str): ``'log'``: the share of replaced patches doubles at every
            step, up to all, and each doubling counts alike; fields that are
            small in their image are told apart. ``'linear'``: the same number
            of patches more at every step, from none.
        draws (int): Random orders of each unit.
        patch_size (int, optional): Side of a patch, px; None for 1/32 of the
            image's longer side, at least 1.

    The random order k of unit j of image i is
    ``np.random.default_rng([seed, i, j, k]).permutation(patches)``.

    Source: the area between a deletion curve and a random one, as in Samek et
    al. 2017, arXiv:1509.06321, and pixel flipping of Hedström et al. 2023,
    arXiv:2202.06861; here of the score's absolute change, since an ERF says
    what moves a unit, upwards or downwards.
    """

    def __init__(
        self,
        model: nn.Module,
        options: ContextOptions,
        attributions: Iterable[Any] | None = None,
        steps: int = 10,
        scale: str = 'log',
        draws: int = 3,
        patch_size: int | None = None,
    ) -> None:
        super().__init__(model, options)
        self.attributions = named_attributions(attributions)
        self.shares = shares_of_patches(check_number(steps, 'steps', 2), scale)
        self.draws = check_number(draws, 'draws')
        if patch_size is not None:
            check_number(patch_size, 'patch_size')
        self.patch_size = patch_size
        self._own: list[np.ndarray] = []  # (attributions, units, shares)
        self._random: list[np.ndarray] = []  # (units, shares)

    def measure(self, image: OpenImage, replace: Replace) -> None:
        """Make every attribution's maps, and replace in their orders."""
        side = self.patch_size or max(max(image.size) // _PATCHES, 1)
        label = patch_labels(image.size, side)
        count = int(label.max()) + 1
        self.logits.chosen = image.units
        units = len(image.units)
        drawn = [
            [
                self.rng(image, unit, draw).permutation(count)
                for draw in range(self.draws)
            ]
            for unit in range(units)
        ]
        orders = [
            [descending(one, label, drawn[unit][0]) for unit, one in maps]
            for maps in (
                enumerate(self._maps(name, image))
                for name in self.attributions
            )
        ]
        orders += [
            [drawn[unit][draw] for unit in range(units)]
            for draw in range(self.draws)
        ]
        curves = self._deletions(image, replace, label, orders)
        ways = len(self.attributions)
        self._own.append(curves[:ways])
        self._random.append(curves[ways:].mean(axis=0))

    def _maps(self, name: str, image: OpenImage) -> list[np.ndarray]:
        """An attribution's map (H, W) of every unit."""
        with torch.enable_grad():
            found = [
                one.maps[0].detach().double().cpu().numpy()
                for one in self.attributions[name](
                    image.reader.forward,
                    image.batch.inputs,
                    self.logits,
                    self.scored,
                )
                if one.maps is not None
            ]
        if len(found) != len(image.units) or not np.isfinite(found).all():
            raise MeasurementError(
                f'{image.batch.names[0]}: {name} gives no finite map of '
                'every unit'
            )
        return found

    def _deletions(
        self,
        image: OpenImage,
        replace: Replace,
        label: np.ndarray,
        orders: Sequence[Sequence[np.ndarray]],
    ) -> np.ndarray:
        """|change| by order, unit and share of replaced patches."""
        units, count = image.units, int(label.max()) + 1
        ranks = [[np.argsort(order) for order in one] for one in orders]
        gone = [max(int(s * count), s > 0) for s in self.shares]
        shape = (len(orders), len(units), len(gone))

        def copy(number: int) -> Tensor:
            way, unit, step = np.unravel_index(number, shape)
            mask = ranks[way][unit][label] < gone[step]
            return replace(torch.from_numpy(mask))

        of_unit = [
            i // len(gone) % len(units) for i in range(int(np.prod(shape)))
        ]
        values, clean, self.step = image.reader.changes(
            units.units, of_unit, copy, self.step
        )
        scored = torch.tensor([units.channels[unit] for unit in of_unit])
        moved = (values - clean).gather(1, scored[:, None])[:, 0].abs()
        return moved.numpy().reshape(shape)

    def compute(self, provenance: Mapping | None = None) -> RankingResult:
        """The ranking so far.

        Args:
            provenance (mapping, optional): Stored with the result.

        Raises:
            MeasurementError: If there is nothing to compute, or a channel
                that is scored is the same everywhere.
        """
        self.check_whole()
        own, random = [], []
        for channels, ours, theirs in zip(
            self.rows.channels, self._own, self._random, strict=True
        ):
            std = self.spread.of(channels, self.layer)[:, None]
            own.append((ours / std).mean(axis=1))
            random.append((theirs / std).mean(axis=0))
        patch = self.patch_size or '1/32 of the longer side'
        definition = {
            **self.definition(),
            'order': (
                f"patches of {patch} px by the map's mean contribution, "
                f'against {self.draws} random order(s)'
            ),
            **{
                f'attribution {name}': one.definition
                for name, one in self.attributions.items()
            },
        }
        return RankingResult(
            layer=self.layer,
            names=tuple(self.attributions),
            fractions=self.shares,
            own=np.stack(own, axis=1),
            random=np.stack(random),
            images=tuple(self.rows.names),
            units=tuple(len(channels) for channels in self.rows.channels),
            absent_images=self.absent,
            definition=definition,
            provenance=self.provenance(provenance),
        )


def rank_attributions(
    model: nn.Module,
    images: Tensor | Iterable[Tensor | Sequence[Tensor]],
    layer: str | Mapping,
    attributions: Iterable[Any] | None = None,
    *,
    steps: int = 10,
    scale: str = 'log',
    draws: int = 3,
    patch_size: int | None = None,
    provenance: Mapping | None = None,
    **options: Any,
) -> RankingResult:
    """Rank attributions by how faithful their maps are on a model.

    Args:
        model, images, layer, provenance, **options: See
            :func:`measure_context`.
        attributions, steps, scale, draws, patch_size: See
            ``FaithfulnessMeasurement``.

    Returns:
        RankingResult: Deletion curves, areas and their ranking.

    Raises:
        ERFError: If an argument, the layer or an image cannot be used.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 2, 5, padding=2))
        >>> names = ['InputGradient', 'Luo']
        >>> result = rank_attributions(net, torch.rand(2, 3, 9, 9), '0', names)
        >>> result.areas.shape
        (2, 2)
    """
    measurement = FaithfulnessMeasurement(
        model,
        ContextOptions(layer, **options),
        attributions,
        steps,
        scale,
        draws,
        patch_size,
    )
    for batch in batches_of(model, images):
        measurement.update(batch)
    return measurement.compute(provenance)
