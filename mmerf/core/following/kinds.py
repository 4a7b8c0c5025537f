"""What the tracer has to know of each aten operation, found once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from ..placing.call import Rule
from ..placing.mixing_rules import follow_pointwise
from ..placing.table import RULES

CHOOSING = frozenset(  # operations that choose between values
    {
        'max_pool2d_with_indices', 'max_pool2d', 'max_pool3d_with_indices',
        'adaptive_max_pool2d', 'fractional_max_pool2d', 'max', 'min',
        'argmax', 'argmin', 'topk', 'sort', 'kthvalue', 'median', 'mode',
        'maximum', 'minimum', 'cummax', 'cummin',
    }
)  # fmt: skip
PLANE_POOLINGS = frozenset({'max_pool2d_with_indices', 'max_pool2d'})
GROUP_NORM = 'native_group_norm'
BATCH_NORMS = frozenset(
    {'native_batch_norm', '_native_batch_norm_legit', 'cudnn_batch_norm'}
)
BATCH_STATISTICS = 'statistics of the batch'
NOTICED = CHOOSING | BATCH_NORMS | {'as_strided', GROUP_NORM}
EXTREME = CHOOSING | {'amax', 'amin', 'aminmax', 'any', 'all'}
EXTREME_OVER_PLACES = 'extreme over places'
VALUES_DECIDE = 'values decide what the model runs'
NORMS_ROUND = 'norms over places round more there'
CONVOLVES = 'more convolutions than products of matrices'
PRODUCTS = frozenset(  # of matrices, in which transformers spend their time
    {
        'mm', 'addmm', 'bmm', 'baddbmm', '_scaled_dot_product_attention_math',
        '_scaled_dot_product_flash_attention_for_cpu',
        '_scaled_dot_product_flash_attention',
        '_scaled_dot_product_efficient_attention',
        '_scaled_dot_product_cudnn_attention', 'linear',
    }
)  # fmt: skip


class Noticed(set[str]):
    """What forwards of a model were seen to do that matters to shortcuts.

    Attributes:
        convolutions (int): Of the latest forward.
        weights (int): Numbers of all their kernels.
        outputs, work (float): Numbers that they made, and multiplications
            that they took, for each pixel.
    """

    convolutions, weights, outputs, work = 0, 0, 0.0, 0.0

    def outweighed(self, pixels: int) -> bool:
        """Whether convolutions read more weights than they make numbers.

        Images in channels-last gain nothing then: passes of ten such networks
        took 0.94 to 1.11 times as long in the plain layout, those of others
        up to 1.4 times.

        Args:
            pixels (int): Of all images of a pass.
        """
        return 0 < self.outputs * pixels < self.weights

    @property
    def reads_strides(self) -> bool:
        """Whether strides were read (``as_strided``)."""
        return 'as_strided' in self

    @property
    def convolves(self) -> bool:
        """Whether a forward has more convolutions than matrix products.

        What makes convolutions faster gains nothing otherwise.
        """
        return CONVOLVES in self

    @property
    def chooses(self) -> bool:
        """Whether something chose between values (a maximum)."""
        return not CHOOSING.isdisjoint(self)

    @property
    def chooses_in_poolings(self) -> bool:
        """Whether max poolings of planes are all that chose."""
        return CHOOSING & self <= PLANE_POOLINGS

    @property
    def takes_extremes(self) -> bool:
        """Whether a maximum over places was taken."""
        return EXTREME_OVER_PLACES in self

    @property
    def values_decide(self) -> str | None:
        """Says so if values of an image were handed to Python.

        They may decide what is run, and no other image shows it.
        """
        return VALUES_DECIDE if VALUES_DECIDE in self else None

    @property
    def apart(self) -> str | None:
        """Why each image is run alone, whatever one of them shows."""
        if BATCH_STATISTICS in self:
            return BATCH_STATISTICS
        return self.values_decide

    @property
    def keeps_plain(self) -> str | None:
        """Why images keep the plain layout whatever one of them shows."""
        if GROUP_NORM in self or BATCH_STATISTICS in self:
            return NORMS_ROUND
        return self.values_decide

    def note(self, kind: Kind, args: Sequence[Any]) -> None:
        """Note an operation, of a kind that matters to shortcuts.

        Args:
            kind (Kind): With ``noticed`` set.
            args (sequence): Its arguments, as torch's dispatcher gives them.
        """
        if kind.name not in BATCH_NORMS:
            self.add(kind.name)
        elif args[-3]:  # before momentum and epsilon: whether in training
            self.add(BATCH_STATISTICS)


@dataclass(frozen=True, eq=False)
class Kind:
    """An aten operation; one object for each.

    Attributes:
        name (str): Without ``aten::`` and the overload.
        rule (Rule, optional): Where what it returns sits; None where it has
            no rule.
        noticed (bool): Whether it matters to shortcuts (``NOTICED``).
        convolution, product (bool): Whether it is one, of matrices.
        extreme (bool): Whether it takes an extreme value (``EXTREME``).
        writes (bool): Whether it may write to an argument.
    """

    name: str
    rule: Rule | None
    noticed: bool
    convolution: bool
    product: bool
    extreme: bool
    writes: bool


@cache
def kind_of(func: Any) -> Kind:
    """The kind of an operation, as torch's dispatcher hands it over."""
    name = func._schema.name.removeprefix('aten::')
    return Kind(
        name,
        _rule_of(func, name),
        noticed=name in NOTICED,
        convolution=name in ('convolution', '_convolution'),
        product=name in PRODUCTS,
        extreme=name in EXTREME,
        writes=func._schema.is_mutable,
    )


def _rule_of(func: Any, name: str) -> Rule | None:
    rule = RULES.get(name)
    if rule is None and func._schema.is_mutable:
        rule = RULES.get(name.removesuffix('_'))
    if rule is None and _is_pointwise(func):
        rule = follow_pointwise
    return rule


def _is_pointwise(func: Any) -> bool:
    """Whether an operation works entry by entry."""
    if torch.Tag.pointwise in func.tags:
        return True
    name = func._schema.name
    if not func._schema.is_mutable or not name.endswith('_'):
        return False
    functional = getattr(torch.ops.aten, name[6:-1], None)
    return functional is not None and any(
        torch.Tag.pointwise in getattr(functional, overload).tags
        for overload in functional.overloads()
    )
