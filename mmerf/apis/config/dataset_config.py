"""The datasets and test pipelines of a config."""

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
    loaders = _loaders(cfg)
    keys = ['model', 'default_scope']
    keys += [f'{name}.dataset' for name in loaders]
    own = [_own_pipeline(loader['dataset']) for loader in loaders.values()]
    if not (own and all(own)):
        keys.append('test_pipeline')
    return keys


def loaders_of(cfg: Config) -> dict[str, Any]:
    """The data loaders of validation, else of testing, by dotted key.

    There are several where the config gives a list of loaders.

    Raises:
        ConfigError: If none has a dataset, or one of several has none.
    """
    loaders = _loaders(cfg)
    if not loaders:
        raise ConfigError(
            'the config has neither a val_dataloader nor a test_dataloader '
            'with a dataset; add one'
        )
    return loaders


def _loaders(cfg: Config) -> dict[str, Any]:
    for name in _LOADERS:
        given = cfg.get(name)
        loaders = {name: given}
        if isinstance(given, (list, tuple)):
            loaders = {f'{name}.{i}': one for i, one in enumerate(given)}
        elif not _has_dataset(given):
            continue
        for key, loader in loaders.items():
            if not _has_dataset(loader):
                raise ConfigError(
                    f'{key} of the config has no dataset; each loader of a '
                    'list is dict(dataset=dict(type=..., pipeline=[...]))'
                )
        if loaders:
            return loaders
    return {}


def _has_dataset(loader: Any) -> bool:
    return isinstance(loader, Mapping) and bool(loader.get('dataset'))


def pipeline_of(
    cfg: Config, loader: Mapping | None, labels: bool = False
) -> list:
    """The pipeline of a loader's dataset, else the config's ``test_pipeline``.

    Args:
        cfg (Config): Has one of them.
        loader (mapping, optional): With a ``dataset``.
        labels (bool): Keep the steps that load annotations.

    Raises:
        ConfigError: If it has neither.
    """
    own = None if loader is None else _own_pipeline(loader['dataset'])
    pipeline = own or cfg.get('test_pipeline')
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


def innermost_datasets(dataset: Mapping) -> list:
    """The datasets that are no wrappers: this one, or those inside it."""
    inside = inner_datasets(dataset)
    if not inside:
        return [dataset]
    return [found for one in inside for found in innermost_datasets(one)]


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
