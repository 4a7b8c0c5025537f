"""Any function of a layer's output, with the unit that it is about."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..errors import ConfigError
from ..grid.coordinates import Grid, UnitYX
from ..import_path import find_object
from .base import Target, TargetContext
from .channels import checked_unit
from .unit import Unit


class Function(Target):
    """A score that a function computes, about a unit that you state.

    A function alone does not determine the unit at which its map is centred.

    Args:
        function (callable or str): ``function(output, context)`` scores an
            output (N, C, h, w) with one number per image, (N,); or its
            import path, ``'package.name'``.
        y, x (int): Row and column of the unit; negative ones count from the
            end.

    Raises:
        ConfigError: If ``function`` is neither, or ``y`` and ``x`` are no
            whole numbers.

    Example:
        >>> target = Function(lambda output, context: output[:, 7, 3, 3], 3, 3)
        >>> target.definition
        'function <lambda> at unit (3, 3)'
    """

    def __init__(self, function: Callable | str, y: int, x: int) -> None:
        if isinstance(function, str):
            function = find_object(function)
        if not callable(function):
            raise ConfigError(
                f'{function!r:.80} is no function; give one that takes '
                '(output, context), or its import path'
            )
        if not (isinstance(y, int) and isinstance(x, int)):
            raise ConfigError(
                f'the unit ({y!r:.40}, {x!r:.40}) is not a row and a column; '
                'write y=3, x=3'
            )
        self.function, self._unit = function, Unit(y, x)

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        name = getattr(self.function, '__name__', repr(self.function)[:80])
        return f'function {name} at {self._unit.where}'

    def unit(self, grid: Grid) -> UnitYX:
        """The stated unit (y, x), negative indices resolved."""
        return self._unit.unit(grid)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """The function's scores, shape (N,)."""
        checked_unit(self.unit(context.grid), output, context)
        return self.function(output, context)
