"""Why a config cannot be read: what it needs, or what it imports, fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from traceback import walk_tb
from typing import Any

from ...core.errors import one_line

OPTIONAL = {
    'mmpretrain': 'install mmpretrain or onedl-mmpretrain',
    'mmdet': 'install mmdet or onedl-mmdetection, and full mmcv',
    'ldm': "the diffusion model of mmseg's requirements/optional.txt",
}
_SCOPED = re.compile(r"['\"](mmpretrain|mmdet)\.\w+")


def why_unread(config: object, error: BaseException, text: str = '') -> str:
    """Why a config file cannot be read, in one line.

    Args:
        config (object): The file, as the user names it.
        error (BaseException): Raised when it was read.
        text (str): The config's text.

    Returns:
        str: The package that it needs; the own error of a module that its
        ``custom_imports`` name, which mmengine's text leaves out; or the
        error.
    """
    package = needed_package(error, text)
    if package is not None:
        return f'{config} needs {package}'
    return f'{config} could not be read: {_import_failure(error)}'


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


def _import_failure(error: BaseException) -> str:
    """What failed in a module of ``custom_imports``; else the error."""
    own, module = error, None
    for cause in _chain(error):
        for frame, _ in walk_tb(cause.__traceback__):
            # A module's own errors, and mmengine's, come through this frame;
            # what the module itself has caught does not.
            if frame.f_code.co_name == 'import_modules_from_strings':
                own, module = cause, frame.f_locals.get('imp')
    if not isinstance(module, str):
        return one_line(error)
    lost = getattr(own, 'name', None) or ''
    if isinstance(own, ModuleNotFoundError) and _is_inside(module, lost):
        return (
            f'its custom_imports name {one_line(module, 80)}, and there is no '
            f'module {one_line(lost, 80)}; put the folder that holds it on '
            'PYTHONPATH, or install it'
        )
    return (
        f'{one_line(module, 80)} of its custom_imports fails: '
        f'{type(own).__name__}: {one_line(own)}{_place(own)}'
    )


def _is_inside(module: str, package: str) -> bool:
    return f'{module}.'.startswith(f'{package}.')


def _place(error: BaseException) -> str:
    """File and line where an error was raised, in parentheses."""
    places = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith('<')
    ]
    if isinstance(error, SyntaxError) or not places:  # its text says where
        return ''
    file, line = places[-1]
    return f' ({one_line(file)}, line {line})'


def _chain(error: BaseException | None) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
