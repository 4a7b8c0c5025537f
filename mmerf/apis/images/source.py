"""Images for a measurement: a config's validation set or any folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmseg.registry import DATASETS
from PIL import Image, UnidentifiedImageError

from ...core.errors import ConfigError, ImageError, one_line
from ...engine.batches.labels import class_names
from ..config.dataset_config import (
    inner_datasets,
    loader_of,
    pipeline_of,
    with_pipeline,
)

SUFFIXES = tuple(
    '.bmp .gif .jpeg .jpg .jp2 .pbm .pgm .png .ppm .tif .tiff .webp'.split()  # noqa: SIM905
)


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
    """

    paths: list[str]
    load: Callable[[int], Any]
    where: str
    skipped: dict[str, str] = field(default_factory=dict)
    classes: list[str] | None = None
    preprocessor: Any = None

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
            self.skipped[path] = one_line(error)
            return None


def check_image(path: str) -> None:
    """Raise ImageError where an image file is damaged.

    OpenCV silently pads a truncated JPEG with grey; Pillow raises. Formats
    that Pillow does not know are left to the pipeline's own reader.
    """
    if not os.path.isfile(path):
        return
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError as error:
        if Path(path).suffix.lower() in SUFFIXES:
            raise ImageError('it is not an image') from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f'it is damaged: {one_line(error)}') from error
    except Image.DecompressionBombError as error:
        raise ImageError(f'it is too large: {one_line(error)}') from error


def open_images(
    cfg: Config, img_dir: str | os.PathLike | None, labels: bool = False
) -> ImageSource:
    """The images of a config's validation set, or those of a folder.

    Args:
        cfg (Config): With ``val_dataloader`` or ``test_dataloader``.
        img_dir: Any folder of images, searched with its subfolders; None for
            the config's own dataset.
        labels (bool): Keep the pipeline's annotation steps; a folder has
            none.

    Raises:
        ConfigError: If the config has no dataset or test pipeline.
        ImageError: If there is no such folder, no image, or the dataset
            cannot be opened.
    """
    try:
        pipeline = pipeline_of(cfg, labels and img_dir is None)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            'the val_dataloader of the config cannot be read '
            f'({one_line(error)}); write dict(dataset=dict(type=..., '
            'pipeline=[dict(type=...), ...]))'
        ) from error
    if img_dir is None and cfg.get('module'):
        raise ConfigError(
            'a network without a config has no dataset; give images with '
            '--img-dir (img_dir=)'
        )
    if img_dir is None:
        return _from_dataset(cfg, pipeline)
    folder = Path(img_dir)
    if not os.path.isdir(folder):
        raise ImageError(f'there is no folder {one_line(img_dir)}')
    paths = sorted(
        str(path)
        for path in folder.rglob('*')
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith('.')
        and os.path.isfile(path)
    )
    if not paths:
        raise ImageError(
            f'there is no image in {img_dir}; known suffixes are '
            f'{" ".join(SUFFIXES)}'
        )
    steps = _compose(pipeline)
    return ImageSource(
        paths,
        lambda i: steps(_info(paths[i])),
        str(img_dir),
        classes=_configured_classes(cfg),
    )


def _configured_classes(cfg: Config) -> list[str] | None:
    """Class names in the dataset's config or class; loads no data."""
    try:
        dataset = loader_of(cfg)['dataset']
    except ConfigError:
        return None
    while inner_datasets(dataset):
        dataset = inner_datasets(dataset)[0]
    given = (dataset.get('metainfo') or {}).get('classes')
    if not given:
        kind = DATASETS.get(str(dataset.get('type')))
        given = (getattr(kind, 'METAINFO', None) or {}).get('classes')
    return [str(name) for name in given] if given else None


def _info(path: str) -> dict:
    return {'img_path': path, 'reduce_zero_label': False, 'seg_fields': []}


def _from_dataset(cfg: Config, pipeline: list) -> ImageSource:
    loader = loader_of(cfg)
    dataset_cfg = with_pipeline(loader['dataset'], pipeline)
    try:
        dataset = DATASETS.build(dataset_cfg)
        count = len(dataset)
    except Exception as error:  # the dataset's class may raise anything
        raise ImageError(
            "the config's validation set could not be opened: "
            f'{one_line(error)}; put the data there, or give any folder of '
            'images with --img-dir'
        ) from error
    if not count:
        raise ImageError(
            "the config's validation set is empty; put the data where the "
            'config says, or give any folder of images with --img-dir'
        )
    paths = [_path_of(dataset, i) for i in range(count)]
    return ImageSource(
        paths,
        lambda i: dataset[i],
        type(dataset).__name__,
        classes=class_names(dataset),
    )


def _path_of(dataset: Any, index: int) -> str:
    try:
        return str(dataset.get_data_info(index)['img_path'])
    except (AttributeError, KeyError, TypeError):
        return f'image {index}'


def _compose(pipeline: list) -> Compose:
    try:
        return Compose(pipeline)
    except Exception as error:  # the transforms may raise anything
        raise ConfigError(
            f'the test pipeline could not be built: {one_line(error)}'
        ) from error


def _shape(item: Any) -> Any:
    inputs = item.get('inputs') if isinstance(item, Mapping) else None
    return getattr(inputs, 'shape', None)
