"""Images for a measurement, loaded one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmengine.dataset import pseudo_collate

from ...core.errors import ConfigError, one_line
from .check_image import check_image
from .files import suffixes_in


@dataclass
class ImageSource:
    """Images that are loaded one by one, skipping what cannot be read.

    Attributes:
        paths (list[str]): One per image, as it is called in messages.
        load (callable): ``load(index)`` runs the pipeline on one image.
        where (str): Where the images come from, for messages.
        skipped (dict[str, str]): Images left out so far, and why.
        classes (list[str], optional): Names of the dataset's classes.
        preprocessor (callable, optional): Makes the model's input of a
            batch; None for the model's ``data_preprocessor``.
        notes (list[str]): What the user should know, one sentence per note.
        bgr (bool): Whether three channels are known to be blue, green, red.
    """

    paths: list[str]
    load: Callable[[int], Any]
    where: str
    skipped: dict[str, str] = field(default_factory=dict)
    classes: list[str] | None = None
    preprocessor: Any = None
    notes: list[str] = field(default_factory=list)
    bgr: bool = False
    _held: dict[str, str] = field(default_factory=dict)

    def batches(
        self, indices: Sequence[int], batch_size: int | Callable[[], int]
    ) -> Iterator[dict]:
        """Collated batches of images that agree in size.

        Args:
            indices (sequence of int): Which images, in order.
            batch_size (int or callable): Most images in a batch; a callable
                is called anew whenever an image was loaded.
        """
        limit = batch_size if callable(batch_size) else lambda: batch_size
        held: list[Any] = []
        for index in indices:
            item = self._load_or_skip(index)
            if item is None:
                continue
            if held and _shape(held[0]) != _shape(item):
                yield pseudo_collate(held)
                held = []
            held.append(item)
            if len(held) >= limit():
                yield pseudo_collate(held)
                held = []
        if held:
            yield pseudo_collate(held)

    def _load_or_skip(self, index: int) -> Any:
        path = self.paths[index]
        try:
            check_image(path)
            item = self.load(index)
            if item is None or _shape(item) is None:
                raise ConfigError(
                    'the pipeline gave no inputs; it has to end in '
                    'PackSegInputs'
                )
            return item
        except Exception as error:  # the pipeline may raise anything
            self.skipped[path] = self._reason(path, error)
            return None

    def _reason(self, path: str, error: Exception) -> str:
        """Why an image is left out; for a missing file, what lies there."""
        folder = os.path.dirname(path)
        if os.path.exists(path) or not os.path.isdir(folder):
            return one_line(error)
        if folder not in self._held:
            self._held[folder] = suffixes_in(folder)
        return (
            f'there is no such file; {one_line(folder)} holds '
            f'{self._held[folder]}'
        )


def _shape(item: Any) -> Any:
    inputs = item.get('inputs') if isinstance(item, Mapping) else None
    return getattr(inputs, 'shape', None)


def joined_sources(sources: Sequence[ImageSource]) -> ImageSource:
    """Several sources as one, in their order; each image is loaded by its own.

    Args:
        sources (sequence of ImageSource): At least one.
    """
    if len(sources) == 1:
        return sources[0]
    places = [(one, i) for one in sources for i in range(len(one.paths))]

    def load(index: int) -> Any:
        source, inside = places[index]
        return source.load(inside)

    first = sources[0].classes
    return ImageSource(
        [source.paths[i] for source, i in places],
        load,
        ' and '.join(source.where for source in sources),
        classes=first if all(s.classes == first for s in sources) else None,
        notes=[note for source in sources for note in source.notes],
        bgr=all(source.bgr for source in sources),
    )
