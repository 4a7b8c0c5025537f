"""Name the package that a config needs and that is not installed."""

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
    """The package that a failed config needs, and how to install it.

    Args:
        error (BaseException): Raised when the config was read or built.
        text (str): The config's text, where it could be read.

    Returns:
        str, optional: Such as 'mmpretrain: install mmpretrain or ...'; None
        if the error has another cause.
    """
    chain = list(_chain(error))
    for cause in chain:
        name = (getattr(cause, 'name', None) or '').split('.')[0]
        if isinstance(cause, ModuleNotFoundError) and name in OPTIONAL:
            return f'{name}: {OPTIONAL[name]}'
    messages = ' '.join(str(cause) for cause in chain)
    if re.search(r'mmcv for \w+ ops|mmcv\.ops|mmcv\._ext', messages):
        return (
            'mmcv with its compiled operators: full mmcv, or onedl-mmcv built '
            'where torch is installed (--no-build-isolation)'
        )
    if 'VPD' in messages:
        return f'ldm: {OPTIONAL["ldm"]}'
    for name in ('mmpretrain', 'mmdet'):
        used = f'{name}.' in messages or name in _SCOPED.findall(text)
        if used and find_spec(name) is None:
            return f'{name}: {OPTIONAL[name]}'
    return None


def _chain(error: BaseException | None) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
