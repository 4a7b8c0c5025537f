"""The values of a model's parameters, kept once for many passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ..errors import MeasurementError
from ..state.isolation import Preserved
from ..state.model_state import ModelState


class KeptParameters:
    """A copy of parameters, and how often each was written to so far.

    Torch counts the writes to a tensor. Those that it does not count, such as
    through ``.data``, show when the values are compared.

    Args:
        model (nn.Module): Whose parameters are kept.

    Example:
        >>> model = nn.Linear(2, 2)
        >>> kept = KeptParameters(model)
        >>> _ = model.weight.data.zero_()
        >>> kept.written()
        False
        >>> kept.give_back(), bool(model.weight.any())
        (True, True)
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self._state = ModelState(self._parameters)
        self._marks = [_mark(each) for each in self._parameters]

    def written(self) -> bool:
        """Whether one was written to, or may have been, as torch counts."""
        return any(
            mark is None or mark != _mark(each)
            for each, mark in zip(self._parameters, self._marks, strict=True)
        )

    def give_back(self) -> bool:
        """Give the values back, for good; whether any was another."""
        self._state.restore()
        return bool(self._state.changed)


class KeptOnce:
    """Keeps a model for each pass, but its parameters for a whole loop.

    To copy and to compare all values takes longer than a pass of a small
    image through some models. The first pass does; if it has written to no
    parameter, one copy serves all that follow. Each of these looks at torch's
    count of writes, and the values are compared at the end of the loop.

    Args:
        model (nn.Module): That the passes run.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._in_loop = self._unwritten = False
        self._kept: KeptParameters | None = None

    @contextmanager
    def loop(self) -> Iterator[None]:
        """Run passes inside, between which nothing else changes the model.

        Raises:
            MeasurementError: At the end, if a pass has changed parameters,
                and torch has not counted it.
        """
        self._in_loop = True
        try:
            yield
        except BaseException:
            self.give_back()
            raise
        finally:
            self._in_loop = False
        if self.give_back():
            raise MeasurementError(
                'the model has changed its parameters past the count of '
                'writes that torch keeps (.data?), so that images met '
                'different weights; they are given back; give each batch to '
                'Measurement.update by itself'
            )

    def a_pass(self) -> Preserved:
        """What keeps the model in a pass that begins now."""
        if self._in_loop and self._unwritten and self._kept is None:
            self._kept = KeptParameters(self.model)
        return Preserved(self.model, parameters=self._kept is None)

    def after(self, kept: Preserved) -> bool:
        """Whether a pass that is over has changed parameters.

        They are as they were before.

        Args:
            kept (Preserved): Of that pass.
        """
        if self._kept is None:
            self._unwritten = not kept.changed
            return bool(kept.changed)
        return self._kept.written() and self.give_back()

    def give_back(self) -> bool:
        """Give parameters back now, as after a pass that failed.

        Returns:
            bool: Whether values were others. The next pass keeps its own.
        """
        kept, self._kept = self._kept, None
        self._unwritten = False
        return kept is not None and kept.give_back()


def _mark(parameter: Tensor) -> tuple[int, int] | None:
    """Another one after a write; None where torch does not count them."""
    try:
        return parameter._version, parameter.data_ptr()
    except (RuntimeError, ValueError):  # of inference mode; lazy
        return None
