"""The dataset and test pipeline of a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ...core.errors import ConfigError

_LOADERS = ('val_dataloader', 'test_dataloader')


def read_keys(cfg: Config) -> list[str]:
    """Dotted keys of the parts of a config that a measurement reads."""
    if cfg.get('module'):
        return ['module', 'normalization', 'test_pipeline']
    name = _loader_name(cfg)
    keys = ['model', 'default_scope']
    if name:
        keys.append(f'{name}.dataset')
    if not (name and _own_pipeline(cfg[name]['dataset'])):
        keys.append('test_pipeline')
    return keys


def loader_of(cfg: Config) -> Any:
    """The first data loader with a dataset: of validation, else of testing.

    Raises:
        ConfigError: If neither has a dataset.
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
    """The pipeline of the config's dataset, else its ``test_pipeline``.

    Args:
        cfg (Config): Has one of them.
        labels (bool): Keep the steps that load annotations.

    Raises:
        ConfigError: If it has neither.
    """
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


def inner_datasets(dataset: Mapping) -> list:
    """The datasets inside a wrapper such as RepeatDataset, ConcatDataset."""
    inside = [dataset['dataset']] if 'dataset' in dataset else []
    return inside + list(dataset.get('datasets', []))


def _own_pipeline(dataset: Mapping) -> Any:
    """A dataset's pipeline, or that of the first dataset inside it."""
    found = dataset.get('pipeline')
    for inside in inner_datasets(dataset):
        found = found or _own_pipeline(inside)
    return found


def with_pipeline(dataset: Any, pipeline: list) -> Any:
    """A copy of a dataset's config, its innermost pipelines replaced."""
    changed = dataset.copy()
    if not inner_datasets(dataset):
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
