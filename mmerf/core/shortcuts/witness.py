"""Whether a model runs images beside each other as it runs each alone.

Operation by operation, a forward of several images is compared with that of
an image alone, the witness (see ``apart``): each has to keep images apart. And
the witness is measured once more beside others: its outputs have to be those
that it had alone, and so has its map, as far as rounding lets them. Both are
done for each number of images in a pass, the first time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..attributions.base import Attribute, Attribution, LayerMaps
from ..batch import Forward
from ..gradient.worth import OWN_BACKWARD
from ..running.afresh import afresh
from ..running.intercept import HandedToPython, noticed_tensor_hooks
from ..running.layer_scores import LayerScores
from ..running.memory import SavedStorages, counted
from ..targets.base import Target
from .apart import Compared, Operations
from .beside import (
    AloneCall,
    NotTogether,
    WatchingLast,
    check_near,
    with_last,
    without_last,
)


class Witness:
    """Watches an image that is measured alone, then others beside it.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        attribution (Attribution): How contributions are found.

    Attributes:
        watches (bool): Whether the next pass is that of the witness alone.
        beside (bool): Whether the witness is run beside the next pass.
        together (bool): Whether the next pass is of images that were given
            one by one.
        refused (str, optional): Why images are not run together.
        saved (SavedStorages): What the graphs of the witness keep.
        compared (set[int]): Numbers of images, of passes that were compared.
    """

    def __init__(
        self, model: nn.Module, layers: LayerScores, attribution: Attribution
    ) -> None:
        self.model, self.layers = model, layers
        self.attribution = attribution
        self.watches = self.beside = self.together = False
        self.refused: str | None = None
        self.saved = SavedStorages()
        self._calls: list[AloneCall] = []
        self._number = 0
        self._of_two = False  # operations are compared with those of two
        self._count = 0  # images of the latest pass
        self.compared: set[int] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measure the witness inside, alone."""
        self.watches = True
        try:
            yield
        finally:
            self.watches = False

    @contextmanager
    def watching_others(self, beside: bool) -> Iterator[None]:
        """Measure other images inside, together.

        Args:
            beside (bool): With the witness beside them.
        """
        self.together, self.beside = True, beside
        try:
            yield
        finally:
            self.together = self.beside = False

    @contextmanager
    def watching_pass(self, plain_because: str | None) -> Iterator[None]:
        """Run a pass inside, perhaps once more.

        Args:
            plain_because (str, optional): Why the model takes no shortcut.

        Raises:
            NotTogether: If its images are not to be run together.
        """
        if not (self.watches or self.together):
            yield
            return
        self._number = 0
        if self.watches:
            self._calls.clear()
            self.saved = SavedStorages()
        with noticed_tensor_hooks() as hooks:
            yield
        why = plain_because or self._refusal(bool(hooks))
        if self.watches:
            self.refused = why
        elif why is not None:
            raise NotTogether(why)
        else:
            self.compared.add(self._count)

    def _refusal(self, hooks: bool) -> str | None:
        if hooks:  # they may mix the gradients of images
            return 'the model registers hooks on tensors'
        if any(m._backward_hooks for m in self.model.modules()):
            return 'the model has backward hooks'
        fallbacks = self.attribution.fallbacks.values()
        own = next((why for why in fallbacks if OWN_BACKWARD in why), None)
        if own or not self.watches:
            return own
        if self.layers.noticed.apart:
            return self.layers.noticed.apart
        if not self._calls or not all(c.tells for c in self._calls):
            return 'the first image has outputs that are the same everywhere'
        return None

    def around(self, attribute: Attribute) -> Attribute:
        """An attribution that is watched, or compared with the witness's."""
        if self.watches:
            return self._alone(attribute)
        return self._others(attribute) if self.together else attribute

    def _alone(self, attribute: Attribute) -> Attribute:
        def run(
            forward: Forward,
            images: Tensor,
            target: Target,
            layers: LayerScores,
        ) -> Iterator[LayerMaps]:
            operations = Operations(len(images))

            def noting(images: Tensor, positions: Sequence[int]) -> Any:
                operations.restart()
                with counted(self.saved), operations:
                    return forward(images, positions)

            watching, maps = WatchingLast(target), []
            for found in attribute(noting, images, watching, layers):
                if found.maps is not None:
                    maps.append(found.maps[-1].detach().clone())
                yield found
            image, outputs = images.clone(), watching.recorder
            self._calls.append(AloneCall(image, outputs, operations, maps))

        return run

    def _others(self, attribute: Attribute) -> Attribute:
        def run(
            forward: Forward,
            images: Tensor,
            target: Target,
            layers: LayerScores,
        ) -> Iterator[LayerMaps]:
            call = self._next_call(images)
            self._count = len(images) + self.beside
            if self._count not in self.compared:
                known = call.operations
                if self._of_two:
                    known = self._pair(forward, call.image, target, layers)
                forward = self._comparing(forward, known)
            if not self.beside:
                yield from attribute(forward, images, target, layers)
                return
            watching, maps = WatchingLast(target), iter(call.maps)
            every = with_last(images, call.image)
            for found in attribute(forward, every, watching, layers):
                if not call.outputs.agrees_with(watching.recorder):
                    why = 'an image has other outputs beside others'
                    raise NotTogether(why)
                if found.maps is not None:
                    check_near(found.maps[-1], next(maps, None))
                yield without_last(found)

        return run

    def _comparing(self, forward: Forward, fewer: Operations) -> Forward:
        """A forward whose operations have to keep images apart.

        Raises:
            NotTogether: While it is run, if one may not.
        """

        def run(images: Tensor, positions: Sequence[int]) -> Any:
            compared = Compared(fewer, len(images))
            compared.note_images(images)
            try:
                with compared, HandedToPython(compared.note_values):
                    return forward(images, positions)
            finally:
                if compared.why is not None:
                    error = NotTogether(compared.why)
                    error.again = compared.others and not self._of_two
                    self._of_two |= error.again
                    raise error

        return run

    def _pair(
        self,
        forward: Forward,
        image: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> Operations:
        """Operations of a forward of the witness, twice, or three times.

        Of one image, an axis of images has one entry, whose stride may be
        anything: other operations may be run there.
        """
        every = with_last(image, image)
        if self._count == 2:  # of which it shall be another number
            every = with_last(every, image)
        operations = Operations(len(every))

        def noting(images: Tensor, positions: Sequence[int]) -> Any:
            operations.restart()
            with operations, torch.enable_grad():
                return forward(images, positions)

        pair, own = every.requires_grad_(), afresh(self.model, noting)
        layers.read(own, pair.clone(), WatchingLast(target))
        return operations

    def _next_call(self, images: Tensor) -> AloneCall:
        """The witness's own call of this number."""
        call = self._calls[self._number : self._number + 1]
        self._number += 1
        if not call or call[0].image.shape[1:] != images.shape[1:]:
            raise NotTogether('images are run in another window by now')
        return call[0]
