"""Where a config says that its images come from, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ...core.errors import ConfigError

_LOADERS = ('val_dataloader', 'test_dataloader')


def read_keys(cfg: Config) -> list[str]:
    """Dotted keys of a config inside which a measurement reads."""
    name = _loader_name(cfg)
    keys = ['model', 'default_scope']
    if name:
        keys.append(f'{name}.dataset')
    if not (name and _own_pipeline(cfg[name]['dataset'])):
        keys.append('test_pipeline')
    return keys


def loader_of(cfg: Config) -> Any:
    """The data loader whose dataset is measured.

    Raises:
        ConfigError: If there is none.
    """
    name = _loader_name(cfg)
    if name:
        return cfg[name]
    raise ConfigError(
        'the config has neither a val_dataloader nor a test_dataloader with '
        'a dataset; add one'
    )


def _loader_name(cfg: Config) -> str | None:
    for name in _LOADERS:
        loader = cfg.get(name)
        if isinstance(loader, Mapping) and loader.get('dataset'):
            return name
    return None


def pipeline_of(cfg: Config, labels: bool = False) -> list:
    """The config's own test pipeline, as a rule without annotation steps."""
    pipeline = cfg.get('test_pipeline')
    try:
        pipeline = _own_pipeline(loader_of(cfg)['dataset']) or pipeline
    except ConfigError:
        if not pipeline:
            raise
    if not pipeline:
        raise ConfigError(
            'the config has no test pipeline; add test_pipeline, or a '
            'pipeline to the dataset of val_dataloader'
        )
    return [
        step
        for step in pipeline
        if labels or 'Annotation' not in str(step['type'])
    ]


def inner(dataset: Mapping) -> list:
    """The datasets inside a wrapper: repeated, or several as one."""
    inside = [dataset['dataset']] if 'dataset' in dataset else []
    return inside + list(dataset.get('datasets', []))


def _own_pipeline(dataset: Mapping) -> Any:
    """A dataset's own pipeline, or that of the first one inside it."""
    found = dataset.get('pipeline')
    for inside in inner(dataset):
        found = found or _own_pipeline(inside)
    return found


def with_pipeline(dataset: Any, pipeline: list) -> Any:
    """A copy whose innermost datasets have this pipeline instead."""
    changed = dataset.copy()
    if not inner(dataset):
        changed['pipeline'] = pipeline
        return changed
    changed.pop('pipeline', None)
    if 'dataset' in dataset:
        changed['dataset'] = with_pipeline(dataset['dataset'], pipeline)
    if 'datasets' in dataset:
        changed['datasets'] = [
            with_pipeline(one, pipeline) for one in dataset['datasets']
        ]
    return changed
