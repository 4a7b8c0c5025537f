"""Which package a config needs that is not installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

OPTIONAL = {
    'mmpretrain': 'install mmpretrain or onedl-mmpretrain',
    'mmdet': 'install mmdet or onedl-mmdetection, and full mmcv',
    'ldm': "the diffusion model of mmseg's requirements/optional.txt",
}
_SCOPED = re.compile(r"['\"](mmpretrain|mmdet)\.\w+")


def needed_package(error: BaseException, text: str = '') -> str | None:
    """Name what has to be installed for a config that failed, if anything.

    Args:
        error (BaseException): What reading or building it raised.
        text (str): The config's text, where it could be read.

    Returns:
        str, optional: Such as 'mmpretrain: pip install mmpretrain ...'.
    """
    chain = list(_chain(error))
    for cause in chain:
        name = (getattr(cause, 'name', None) or '').split('.')[0]
        if isinstance(cause, ModuleNotFoundError) and name in OPTIONAL:
            return f'{name}: {OPTIONAL[name]}'
    said = ' '.join(str(cause) for cause in chain)
    if re.search(r'mmcv for \w+ ops|mmcv\.ops|mmcv\._ext', said):
        return (
            'mmcv with its compiled operators: full mmcv, or onedl-mmcv built '
            'where torch is installed (--no-build-isolation)'
        )
    if 'VPD' in said:
        return f'ldm: {OPTIONAL["ldm"]}'
    for name in ('mmpretrain', 'mmdet'):
        asked = f'{name}.' in said or name in _SCOPED.findall(text)
        if asked and find_spec(name) is None:
            return f'{name}: {OPTIONAL[name]}'
    return None


def _chain(error: BaseException | None) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
