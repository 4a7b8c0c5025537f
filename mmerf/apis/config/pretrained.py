"""A config's pretrained weights: files are read safely, nothing is fetched."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.runner import CheckpointLoader

from ...core.errors import CheckpointError, one_line
from ...engine.segmentors.build_module import without_fetching
from .checkpoint.containers import find_weights
from .checkpoint.read_file import CheckpointFile, damaged, read_file
from .checkpoint.stored import StoredTensor

_SUFFIXES = (
    '.pth', '.pt', '.pyth', '.th', '.ckpt', '.bin', '.pkl', '.tar',
    '.safetensors',
)  # fmt: skip


@dataclass
class Pretrained:
    """The pretrained weights that a model's config names.

    Attributes:
        files (list[str]): Local files, which the model loads.
        not_fetched (list[str]): What it would fetch: such as
            ``'open-mmlab://resnet50_v1c'``.
    """

    files: list[str] = field(default_factory=list)
    not_fetched: list[str] = field(default_factory=list)


def without_fetched(
    model_cfg: Any, files: bool = True
) -> tuple[Any, Pretrained]:
    """A copy of a model config that fetches no weights.

    Args:
        model_cfg: As mmengine's registries build it.
        files (bool): Keep the weights that are local files.

    Returns:
        tuple[Any, Pretrained]: The copy, and what the config names.

    Raises:
        CheckpointError: If there is no file where a kept one should be.
    """
    found = Pretrained()
    return _copy_without(model_cfg, 'model', found, files), found


@contextmanager
def safe_file_loader(
    trust: bool = False, quiet: bool = False
) -> Iterator[dict[str, CheckpointFile]]:
    """Inside, mmengine's ``CheckpointLoader`` reads local files safely.

    It gives the file's weights by name, whatever they lie in: backbones
    convert the keys by code of their own.

    Args:
        trust (bool): Allow files whose pickle runs code.
        quiet (bool): Hide what loading prints.

    Yields:
        dict[str, CheckpointFile]: The files that were read, by path.
    """
    read: dict[str, CheckpointFile] = {}

    def load_from_file(path: str, map_location: Any = None) -> Any:
        path = os.path.expanduser(path)
        if path not in read:
            read[path] = read_file(path, trust)
        return _plain(read[path])

    before = CheckpointLoader._get_checkpoint_loader('')
    CheckpointLoader.register_scheme('', load_from_file, force=True)
    try:
        if quiet:
            with redirect_stdout(io.StringIO()):
                yield read
        else:
            yield read
    finally:
        CheckpointLoader.register_scheme('', before, force=True)


def _plain(file: CheckpointFile) -> Any:
    """A tensor, or tensors by name."""
    if isinstance(file.content, torch.Tensor):
        return file.content
    if isinstance(file.content, StoredTensor):
        try:
            return file.content.tensor()
        except Exception as error:  # damaged bytes raise almost anything
            raise damaged(file.path, error) from error
    found, _ = find_weights(file)
    if len(found) > 1 and 'state_dict' not in found:
        names = ' and '.join(map(repr, sorted(found)))
        raise CheckpointError(
            f'{file.path} holds weights under {names}; save those that are '
            'meant alone'
        )
    return (
        found['state_dict'] if len(found) > 1 else next(iter(found.values()))
    )


def _copy_without(
    value: Any, where: str, found: Pretrained, files: bool
) -> Any:
    if isinstance(value, (list, tuple)):
        copies = [
            _copy_without(item, f'{where}.{i}', found, files)
            for i, item in enumerate(value)
        ]
        return type(value)(
            new
            for old, new in zip(value, copies, strict=True)
            if new is not None or old is None
        )
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get('type')).rpartition('.')[2]
    if kind.startswith('Pretrained'):
        kept = _is_kept(value.get('checkpoint'), where, found, files, True)
        return ConfigDict(value) if kept else None
    copied = {
        k: _copy_without(v, f'{where}.{k}', found, files)
        for k, v in value.items()
    }
    name, place = copied.get('pretrained'), f'{where}.pretrained'
    if name and not _is_kept(name, place, found, files, False):
        copied['pretrained'] = None if isinstance(name, str) else False
    if 'ModuleSegmentor' in kind:
        copied['module'] = _module(copied.get('module'), found)
    if 'TIMMBackbone' in kind:
        if value.get('pretrained', True):  # its default downloads
            found.not_fetched.append(str(value.get('model_name')))
        copied['pretrained'] = False
    return ConfigDict(copied)


def _module(module: Any, found: Pretrained) -> Any:
    """The config of a module of any package, without what it fetches."""
    copied = without_fetching(module)
    for name, value in copied.items() if copied is not module else ():
        if value != module.get(name) or name not in module:
            given = module.get(name, 'its default')
            found.not_fetched.append(f'{name}={given}')
    return copied


def _is_kept(
    name: Any, where: str, found: Pretrained, files: bool, is_path: bool
) -> bool:
    """Whether a name is a local file that is loaded."""
    if not isinstance(name, (str, os.PathLike)):
        if name is True:
            found.not_fetched.append(f'{where}=True')
        return False
    name = os.fspath(name)
    if os.path.isfile(os.path.expanduser(name)):
        found.files.append(os.path.expanduser(name))
        return files
    if '://' in name or not (is_path or _looks_like_path(name)):
        found.not_fetched.append(name)
    elif files:
        raise CheckpointError(
            f'there is no file {one_line(name)}, whose weights the config '
            f'loads ({where}); give its path, a checkpoint of the whole '
            f'model, or {where}=None for random weights'
        )
    return False


def _looks_like_path(name: str) -> bool:
    return name.startswith(('/', './', '../', '~')) or (
        Path(name).suffix in _SUFFIXES
    )
