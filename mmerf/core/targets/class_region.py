"""A class over the region where the model, or the ground truth, has it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import ConfigError, TargetError
from ..grid.coordinates import PixelYX
from .base import Part, Target, TargetContext
from .channels import Channels, at_least_float32
from .classes import (
    ClassRequest,
    as_class_requests,
    class_logit,
    resolve_classes,
)
from .segments import check_component, largest_component

REGIONS = {'prediction': 'predictions', 'ground_truth': 'labels'}


class ClassRegion(Target):
    """Each class over its region, one result per class.

    On a layer with one channel per class (the head), the class's own channel
    is scored; on any other layer the sum over channels, as for CentreUnit.
    The score is the mean over the region's units, so that large regions weigh
    no more than small ones. A unit belongs to the class that is predicted, or
    labelled, at its input pixel. All classes share one forward; each needs
    one backward.

    Images are aligned at the centroid of their region. An image without the
    class adds nothing and is counted in ``absent_images``; a class that no
    image has gives no map.

    Args:
        classes (str, int or sequence, optional): Names from the dataset's
            metainfo, or indices; None for every class.
        region (str): ``'prediction'``: where the model predicts the class
            (the images run once more, without gradient);
            ``'ground_truth'``: where the labels have it (ignored pixels are
            in no region).
        relu (bool): Whether negative channels count as zero on layers without
            logits. A logit is scored as it is.
        component (str): ``'all'``: the whole region; ``'largest'``: only its
            largest connected component on the layer's grid, one object;
            units are connected where they share an edge.

    Raises:
        ConfigError: If a class, kind of region or component does not exist.
        TargetError: While measuring, if there are no labels.
    """

    aligned_at = "the region's centroid"
    at_unit = False

    def __init__(
        self,
        classes: ClassRequest | Sequence[ClassRequest] | None = None,
        region: str = 'prediction',
        relu: bool = True,
        component: str = 'all',
    ) -> None:
        if region not in REGIONS:
            raise ConfigError(
                f"region is 'prediction' or 'ground_truth', not {region!r}"
            )
        self.classes = as_class_requests(classes)
        self.region = region
        self.component = check_component(component)
        self.relu = relu
        self.channels = Channels(relu)
        self.needs = frozenset({REGIONS[region], 'num_classes'})

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        what = 'relu(output)' if self.relu else 'output'
        where = 'predicted' if self.region == 'prediction' else 'in the labels'
        which = 'the units at which the class is'
        if self.component == 'largest':
            which = 'the largest connected component of ' + which
        return (
            "the class's logit, or where a layer holds none the sum over "
            f'channels of {what}: mean over {which} {where}'
        )

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Raise ConfigError for a class that the dataset does not have."""
        if names is not None:
            resolve_classes(self.classes, names)

    def result_labels(self, names: Sequence[str] | None) -> list[str] | None:
        """One label per class; None where the classes are not known."""
        if self.classes is None and names is None:
            return None
        return [label for label, _ in resolve_classes(self.classes, names)]

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part per class; without a graph for a class in no image."""
        regions = getattr(context, REGIONS[self.region])
        if regions is None:
            raise TargetError(
                f'{context.layer}: the {REGIONS[self.region]} of these images '
                'are not known, so that a class has no region'
            )
        summed: Tensor | None = None
        found = []
        names = context.classes
        for label, index in resolve_classes(
            self.classes, names, context.num_classes
        ):
            mask = self.scored_units(regions == index)
            pixels = _centroids(mask, context)
            absent = frozenset(range(len(output))) - pixels.keys()
            scores = output.new_zeros(len(output))
            if pixels:
                values = class_logit(output, index, context)
                if values is None:
                    if summed is None:
                        summed = self.channels.summed(output, context)
                    values = summed
                scores = _mean_over(at_least_float32(values), mask)
            found.append(Part(context.layer, scores, pixels, absent, label))
        return found

    def scored_units(self, region: Tensor) -> Tensor:
        """Which units of a class's region are scored, boolean (N, h, w)."""
        whole = self.component == 'all'
        return region if whole else largest_component(region)


def _mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (N, h, w) values inside a mask, per image; 0 if it is empty."""
    count = mask.sum(dim=(1, 2)).clamp(min=1)
    return torch.where(mask, values, 0).sum(dim=(1, 2)) / count


def _centroids(mask: Tensor, context: TargetContext) -> dict[int, PixelYX]:
    """Input pixel of the region's centroid, by position of the image."""
    pixels = {}
    for position, region in enumerate(mask.cpu()):
        units = region.nonzero().double()
        if len(units):
            y, x = units.mean(dim=0).tolist()
            pixels[position] = context.grid.pixel((y, x))
    return pixels
