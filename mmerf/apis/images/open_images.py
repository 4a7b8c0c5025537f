"""Images of a config's validation set, of a folder, or one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dataset import Compose
from mmseg.registry import DATASETS

from ...core.errors import ConfigError, ImageError, one_line
from ...engine.batches.labels import class_names
from ..config.dataset_config import (
    innermost_datasets,
    loaders_of,
    pipeline_of,
    with_pipeline,
)
from .files import image_files, suffixes_in
from .source import ImageSource, joined_sources


def open_images(
    cfg: Config, img_dir: str | os.PathLike | None, labels: bool = False
) -> ImageSource:
    """The images of a config's validation sets, of a folder, or one file.

    Args:
        cfg (Config): With ``val_dataloader`` or ``test_dataloader``; a list
            of loaders gives the images of all, each by its own pipeline.
        img_dir: Any folder of images, searched with its subfolders, or one
            image file; None for the config's own datasets.
        labels (bool): Keep the pipeline's annotation steps; a folder has
            none.

    Raises:
        ConfigError: If the config has no dataset or test pipeline.
        ImageError: If there is no such folder, no image, or a dataset
            cannot be opened or is empty.
    """
    if img_dir is None and cfg.get('module'):
        raise ConfigError(
            'a network without a config has no dataset; give images with '
            '--img-dir (img_dir=)'
        )
    try:
        loaders = loaders_of(cfg)
    except ConfigError:
        if img_dir is None or not cfg.get('test_pipeline'):
            raise
        loaders = {}
    try:
        pipelines = [
            pipeline_of(cfg, loader, labels and img_dir is None)
            for loader in loaders.values() or [None]
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            'the val_dataloader of the config cannot be read '
            f'({one_line(error)}); write dict(dataset=dict(type=..., '
            'pipeline=[dict(type=...), ...]))'
        ) from error
    if img_dir is None:
        pairs = zip(loaders.items(), pipelines, strict=True)
        sources = [_from_dataset(*loader, steps) for loader, steps in pairs]
        source = joined_sources(sources)
        if len(sources) > 1:
            source.notes.append(
                'the images are those of '
                + ', '.join(
                    f'{key} ({len(one.paths)})'
                    for key, one in zip(loaders, sources, strict=True)
                )
            )
        return source
    return _from_files(img_dir, pipelines, loaders)


def _from_files(
    img_dir: str | os.PathLike, pipelines: list[list], loaders: Mapping
) -> ImageSource:
    paths = image_files(img_dir)
    steps = _compose(pipelines[0])
    source = ImageSource(
        paths,
        lambda i: steps(_info(paths[i])),
        str(img_dir),
        classes=_configured_classes(loaders),
        bgr=_reads_bgr(pipelines[0]),
    )
    if any(pipeline != pipelines[0] for pipeline in pipelines):
        source.notes.append(
            f'the images pass the pipeline of {next(iter(loaders))}, the '
            f'first of {len(loaders)} loaders with different pipelines'
        )
    return source


def _configured_classes(loaders: Mapping[str, Any]) -> list[str] | None:
    """Class names in the datasets' configs or classes; loads no data.

    None where several datasets have different ones.
    """
    every = [_classes_of(loader['dataset']) for loader in loaders.values()]
    same = every and all(names == every[0] for names in every)
    return every[0] if same else None


def _classes_of(dataset: Mapping) -> list[str] | None:
    innermost = innermost_datasets(dataset)[0]
    given = (innermost.get('metainfo') or {}).get('classes')
    if not given:
        kind = DATASETS.get(str(innermost.get('type')))
        given = (getattr(kind, 'METAINFO', None) or {}).get('classes')
    return [str(name) for name in given] if given else None


def _info(path: str) -> dict:
    return {'img_path': path, 'reduce_zero_label': False, 'seg_fields': []}


def _from_dataset(key: str, loader: Mapping, pipeline: list) -> ImageSource:
    """The images of a loader's dataset.

    Args:
        key (str): The loader's, in the config.
        loader (mapping): With a ``dataset``.
        pipeline (list): Of the dataset.
    """
    try:
        dataset = DATASETS.build(with_pipeline(loader['dataset'], pipeline))
        count = len(dataset)
    except Exception as error:  # the dataset's class may raise anything
        _compose(pipeline)
        why = _without_images(loader['dataset'])
        raise ImageError(
            f'the dataset of {key} is empty: {why}'
            if why
            else f'the dataset of {key} could not be opened: '
            f'{one_line(error)}; put the data there, or give any folder of '
            'images with --img-dir'
        ) from error
    if not count:
        raise ImageError(
            f'the dataset of {key} is empty: '
            + (
                _without_images(loader['dataset'])
                or 'put the data where the config says, or give any folder '
                'of images with --img-dir'
            )
        )
    paths = [_path_of(dataset, i) for i in range(count)]
    return ImageSource(
        paths,
        lambda i: dataset[i],
        type(dataset).__name__,
        classes=class_names(dataset),
        bgr=_reads_bgr(pipeline),
    )


def _reads_bgr(pipeline: list) -> bool:
    """Whether a pipeline starts with mmcv's reader of colour images."""
    first = pipeline[0] if pipeline else {}
    return (
        first.get('type') == 'LoadImageFromFile'
        and first.get('color_type', 'color') == 'color'
        and first.get('imdecode_backend', 'cv2') == 'cv2'
    )


def _without_images(dataset: Mapping) -> str | None:
    """Which suffix a dataset looks for in vain, and what lies there."""
    for one in innermost_datasets(dataset):
        try:
            unread = DATASETS.build({**one, 'lazy_init': True})
            folder = unread.data_prefix['img_path']
            suffix = unread.img_suffix
            names = [name for _, _, files in os.walk(folder) for name in files]
        except Exception:  # a dataset of another kind
            continue
        if os.path.isdir(folder) and not any(
            name.endswith(suffix) for name in names
        ):
            return (
                f'{one_line(folder)} has no file that ends in {suffix!r}, '
                f'its img_suffix; it holds {suffixes_in(folder)}; set '
                'img_suffix (upper and lower case differ), or give any '
                'folder of images with --img-dir'
            )
    return None


def _path_of(dataset: Any, index: int) -> str:
    try:
        return str(dataset.get_data_info(index)['img_path'])
    except (AttributeError, KeyError, TypeError):
        return f'image {index}'


def _compose(pipeline: list) -> Compose:
    steps: list = []
    for step in pipeline:
        try:
            steps += Compose([step]).transforms
        except Exception as error:  # the transforms may raise anything
            raise ConfigError(
                f'the step {step["type"]} of the test pipeline could not be '
                f'built: {one_line(error)}'
            ) from error
    return Compose(steps)
