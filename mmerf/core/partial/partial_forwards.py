"""Forwards in part: once confirmed, and never where a forward differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ..attributions.base import Attribute, Attribution, LayerMaps
from ..batch import Forward
from ..errors import one_line
from ..gradient.worth import FEW_CONVOLUTIONS
from ..running.afresh import afresh
from ..running.layer_scores import LayerScores
from ..running.memory import is_out_of_memory
from ..running.probes import equal_to_rounding
from ..targets.base import Target
from .cropped_forward import CroppedForward, Step, steps_of
from .operations import Recording

IN_PART = 'convolutions in part'
CONFIRMED = 'where the scores depend on them, confirmed on one pass'


class _Pass(NamedTuple):
    """A pass of an attribution; called with another forward, its maps."""

    attribute: Attribute
    forward: Forward
    images: Tensor
    target: Target
    layers: LayerScores

    def maps(self, forward: Forward | None = None) -> Iterator[LayerMaps]:
        yield from self.attribute(
            forward or self.forward, self.images, self.target, self.layers
        )


class PartialForwards:
    """Runs passes whose forward computes what the scores depend on.

    The second pass of its kind is recorded, and run again in part; if all
    maps agree, later passes are run in part only. A pass that fails, whose
    operations are others, or whose maps are not finite, is run plainly, and
    so are all that follow.

    Args:
        model (nn.Module): That forwards run.
        attribution (Attribution): Says where convolutions are few.

    Attributes:
        error (str, optional): Why forwards are not run in part any more.
        in_part (bool): Whether the latest pass was.
    """

    def __init__(self, model: nn.Module, attribution: Attribution) -> None:
        self.model, self.attribution = model, attribution
        self.error: str | None = None
        self.in_part = False
        self._steps: dict[tuple, list[Step] | None] = {}
        self._seen: set[tuple] = set()

    def forget(self) -> None:
        """Start anew, as the model is run in another way."""
        self._steps.clear()
        self._seen.clear()

    def around(self, attribute: Attribute, same_choices: bool) -> Attribute:
        """An attribution whose forward is run in part, once confirmed.

        Args:
            attribute (callable): Runs the model on its images themselves.
            same_choices (bool): Whether maxima are those of a plain forward:
                the operations are others then.
        """

        def run(
            forward: Forward,
            images: Tensor,
            target: Target,
            layers: LayerScores,
        ) -> Iterator[LayerMaps]:
            this = _Pass(attribute, forward, images, target, layers)
            names = tuple(layer.key for layer in layers.layers)
            in_any_layout = images.shape, names, same_choices
            kind = (*in_any_layout, images.stride())
            self.in_part = False
            self.error = self.error or layers.noticed.values_decide
            if self.error is not None or in_any_layout not in self._seen:
                self._seen.add(in_any_layout)
                yield from this.maps()
            elif kind not in self._steps and self._convolves(layers):
                yield from self._recorded(kind, this)
            else:
                yield from self._found(self._steps.get(kind), this)

        return run

    def _convolves(self, layers: LayerScores) -> bool:
        """Whether there is something to save, as far as passes have shown."""
        reasons = list(self.attribution.fallbacks.values())
        few = reasons.count(FEW_CONVOLUTIONS) >= len(layers.order)
        return layers.noticed.convolves or not few

    def _found(
        self, steps: Sequence[Step] | None, this: _Pass
    ) -> Iterator[LayerMaps]:
        """Maps of a pass, in part where there are steps."""
        if steps is not None:
            found, why = self._maps_in_part(steps, this)
            if not why:
                self.in_part = True
                yield from found
                return
            self._give_up(why)
        yield from this.maps()

    def _recorded(self, kind: tuple, this: _Pass) -> Iterator[LayerMaps]:
        """Maps of a pass that is recorded, and then run again in part."""
        recording = Recording()
        found, why = self._tried(recording, this)
        if why:
            self._give_up(why)
            yield from this.maps()
            return
        self._steps[kind] = self._confirmed(recording, found, this)
        yield from found

    def _confirmed(
        self, recording: Recording, found: Sequence[LayerMaps], this: _Pass
    ) -> list[Step] | None:
        """Steps of a recorded pass, which make the same maps again.

        None where they do not, or would save little.
        """
        why = recording.error or ''
        steps = None if why else steps_of(recording)
        if steps is not None:
            again, why = self._maps_in_part(steps, this)
            if not (why or _agree(found, again)):
                why = 'maps are others where not all is computed'
        if why:
            self._give_up(why)
            return None
        return steps

    def _maps_in_part(
        self, steps: Sequence[Step], this: _Pass
    ) -> tuple[list[LayerMaps], str]:
        """All maps of a pass, and why they do not serve; empty if they do."""
        run = CroppedForward(steps)
        found, why = self._tried(run, this)
        each = (part.maps for part in found if part.maps is not None)
        if not why and run.failed:
            why = 'its operations differ from pass to pass'
        if not why and not all(maps.isfinite().all() for maps in each):
            why = 'values are not finite where not all is computed'
        return found, why

    def _tried(
        self, mode: Recording | CroppedForward, this: _Pass
    ) -> tuple[list[LayerMaps], str]:
        """All maps of a pass in a mode, and why there are none, if so.

        It may fail where a plain pass does not: what the forward changes on
        the model is given back before the backward pass, which may need it.
        """
        try:
            return list(this.maps(self._afresh(mode, this))), ''
        except Exception as error:  # whatever the model's code raises
            if is_out_of_memory(error):
                raise
            return [], one_line(error, 80)

    def _afresh(
        self, mode: Recording | CroppedForward, this: _Pass
    ) -> Forward:
        """A pass's forward in a mode; every time it finds the same state."""
        return afresh(self.model, _inside(mode, this.forward))

    def _give_up(self, why: str) -> None:
        self.error = why
        self._steps.clear()


def _inside(mode: Recording | CroppedForward, forward: Forward) -> Forward:
    """A forward inside a mode that starts with it."""

    def run(images: Tensor, positions: Sequence[int]) -> object:
        mode.start()
        with mode:
            output = forward(images, positions)
        mode.returned(output)
        return output

    return run


def _agree(one: Sequence[LayerMaps], other: Sequence[LayerMaps]) -> bool:
    """Whether maps are of the same scores, and equal up to rounding."""
    if [m.part.layer for m in one] != [m.part.layer for m in other]:
        return False
    for a, b in zip(one, other, strict=True):
        if (a.maps is None) != (b.maps is None):
            return False
        if a.maps is None or b.maps is None:
            continue
        if not equal_to_rounding(a.maps, b.maps):
            return False
    return True
