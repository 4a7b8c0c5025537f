"""Layer names, globs and output indices, resolved to modules."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ..errors import LayerError
from .defaults import OUTPUT, default_layers
from .torchscript import check_reachable

_REQUEST = re.compile(
    r'(?P<name>[^\[\]@]+)(@(?P<call>[0-9]{1,9}))?'
    r'(?P<indices>(\[-?[0-9]{1,9}\])*)',
    re.S,
)
_MOST_STARS = 8  # in one glob: matching time multiplies with each
_QUOTED_LENGTH = 80  # characters of a user's text that an error quotes


@dataclass(frozen=True)
class Layer:
    """A module whose output is measured.

    Attributes:
        name (str): The module's name, as ``model.named_modules()`` prints it;
            ``'.'`` for the model's own output.
        module (nn.Module): The module itself.
        indices (tuple[int, ...]): Output indices, for a module that returns
            several outputs; empty for all of them.
        call (int, optional): Which of several calls in one forward, from 0;
            None for the last.
        grid (tuple[int, int], optional): The output's (h, w), where its
            shape does not determine it.
        layout (str, optional): ``'NCHW'`` or ``'NHWC'``, for outputs whose
            shape fits both; a module of linear layers and layer norms alone
            is NHWC.
        first (int, optional): The first token that is a unit of the grid.
        optional (bool): Whether a glob or the name of a module list matched
            it: if it does not run or returns no map (such as the points that
            a cascade refines), it is skipped instead of an error.
    """

    name: str
    module: nn.Module
    indices: tuple[int, ...] = ()
    call: int | None = None
    grid: tuple[int, int] | None = None
    layout: str | None = None
    first: int | None = None
    optional: bool = False

    @property
    def prefix(self) -> str:
        """The layer's key before the indices of an output are added."""
        return self.name if self.call is None else f'{self.name}@{self.call}'

    @property
    def key(self) -> str:
        """Name, call and output indices, such as ``'backbone[3]'``."""
        return output_key(self.prefix, self.indices)


def output_key(prefix: str, indices: Iterable[int]) -> str:
    """Name of one output of a module.

    Example:
        >>> output_key('backbone', (3,))
        'backbone[3]'
    """
    return prefix + ''.join(f'[{index}]' for index in indices)


def shorten(text: object) -> str:
    """A user's text as an error quotes it: one line, of bounded length.

    Example:
        >>> shorten('layer' + '4' * 200)[-6:]
        '444...'
    """
    quoted = repr(text)
    if len(quoted) <= _QUOTED_LENGTH:
        return quoted
    return quoted[: _QUOTED_LENGTH - 3] + '...'


def glob_to_regex(pattern: str) -> re.Pattern[str]:
    """Compile a layer glob: ``*`` stops at a dot, ``**`` crosses it.

    Args:
        pattern (str): Module name in which ``*``, ``**`` and ``?`` are wild.

    Returns:
        re.Pattern[str]: To be used with ``fullmatch``.

    Example:
        >>> bool(glob_to_regex('backbone.*').fullmatch('backbone.layer1'))
        True
        >>> bool(glob_to_regex('backbone.*').fullmatch('backbone.layer1.0'))
        False
    """
    wild = {'**': '.*', '*': r'[^.]*', '?': r'[^.]'}
    parts = re.split(r'(\*\*|\*|\?)', pattern)
    return re.compile(
        ''.join(wild.get(part) or re.escape(part) for part in parts)
    )


def find_layers(
    model: nn.Module, requests: Sequence[str | dict] | str | None
) -> list[Layer]:
    """Resolve layer requests against a model.

    Args:
        model (nn.Module): The model, without wrappers.
        requests (sequence of str or dict, optional): Module names or globs,
            or ``'.'`` (also ``''``) for the model's own output, each with an
            optional call ``@k`` and optional output indices ``[i][j]``; or
            ``dict(name=..., grid=(h, w))``, with ``layout`` and ``first`` of
            :class:`Layer` if needed. None stands for ``default_layers``.

    Returns:
        list[Layer]: In the order of the requests, without repeats; the
        matches of one glob are in the model's order.

    Raises:
        LayerError: If a request is malformed, matches no module, or only
            modules inside TorchScript.
    """
    modules = {name: m for name, m in model.named_modules() if name}
    sure = True
    if requests is None:
        default = default_layers(model)
        requests, sure = default.names, default.sure
    elif isinstance(requests, (str, dict)):
        requests = [requests]
    elif not isinstance(requests, Iterable):
        raise LayerError(
            f'layers are a list of names, not {shorten(requests)}; for '
            "example ['backbone[3]', 'decode_head']"
        )
    found: dict[str, Layer] = {}
    for request in requests:
        layers = _find_request(model, modules, request)
        check_reachable(model, modules, [layer.name for layer in layers])
        for layer in layers:
            layer = layer if sure else replace(layer, optional=True)
            found.setdefault(layer.key, layer)
    if not found:
        raise LayerError(
            'no layer is named; give at least one name, for example '
            f'{next(iter(modules), None)!r}'
        )
    return list(found.values())


def _find_request(
    model: nn.Module, modules: dict[str, nn.Module], request: str | dict
) -> list[Layer]:
    stated: dict[str, Any] = {}
    text: object = request
    if isinstance(request, dict):
        text, stated = _unpack_request(request)
    if not isinstance(text, str):
        raise LayerError(
            f'a layer is named by a string, not {shorten(text)}; for '
            "example 'backbone[3]'"
        )
    match = _REQUEST.fullmatch(text or OUTPUT)
    if match is None:
        raise LayerError(
            f'cannot read the layer name {shorten(text)}; write a module '
            "name, then an output index if you want one: 'backbone[3]'"
        )
    pattern = match['name']
    indices = tuple(int(i) for i in re.findall(r'-?\d+', match['indices']))
    call = None if match['call'] is None else int(match['call'])
    if pattern == OUTPUT:
        modules = {OUTPUT: model}
        names, optional = [OUTPUT], False
    elif pattern in modules:
        names = _modules_with_forward(modules, pattern)
        optional = names != [pattern]
    else:
        regex, optional = glob_to_regex(_checked_glob(pattern)), True
        names = [name for name in modules if regex.fullmatch(name)]
    if not names:
        raise LayerError(_no_match(pattern, list(modules)))
    return [
        Layer(
            name,
            modules[name],
            indices,
            call,
            **stated,
            optional=optional,
        )
        for name in names
    ]


def _checked_glob(pattern: str) -> str:
    """A glob with ``***`` as ``**``; an error if it has too many stars."""
    pattern = re.sub(r'\*{2,}', '**', pattern)
    if len(re.findall(r'\*+', pattern)) > _MOST_STARS:
        raise LayerError(
            f'the glob {shorten(pattern)} has more than {_MOST_STARS} stars; '
            'use fewer: ** crosses dots'
        )
    return pattern


def _modules_with_forward(
    modules: dict[str, nn.Module], name: str
) -> list[str]:
    """The module's name; for a module list or dict, those of its members."""
    module = modules[name]
    if not isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        return [name]
    children = [f'{name}.{child}' for child, _ in module.named_children()]
    return [
        found
        for child in children
        for found in _modules_with_forward(modules, child)
    ]


def _unpack_request(request: dict) -> tuple[object, dict[str, Any]]:
    """The name, and the stated grid, layout and first token, of a dict."""
    stated = {k: v for k, v in request.items() if k != 'name'}
    grid, layout, first = (
        stated.get(key) for key in ('grid', 'layout', 'first')
    )
    if 'name' not in request or set(stated) - {'grid', 'layout', 'first'}:
        raise LayerError(
            f'cannot read the layer {shorten(request)}; write '
            "dict(name='backbone.norm', grid=(h, w))"
        )
    if layout not in (None, 'NCHW', 'NHWC'):
        raise LayerError(f"layout is 'NCHW' or 'NHWC', not {shorten(layout)}")
    if first is not None and not (isinstance(first, int) and first >= 0):
        raise LayerError(
            f'first={shorten(first)} is not the number of the first token of '
            'the grid; write a whole number >= 0'
        )
    if grid is not None and not (
        isinstance(grid, (tuple, list))
        and len(grid) == 2
        and all(isinstance(side, int) and side > 0 for side in grid)
    ):
        raise LayerError(
            f'grid={shorten(grid)} is not the (h, w) of a layer output; '
            'write two positive whole numbers'
        )
    if grid is not None:
        stated['grid'] = (int(grid[0]), int(grid[1]))
    return request['name'], stated


def _no_match(pattern: str, names: list[str]) -> str:
    near = difflib.get_close_matches(pattern, names, n=4, cutoff=0.5)
    if not near:
        tail = pattern.rsplit('.', 1)[-1]
        near = [n for n in names if tail and tail in n][:4]
    if not near:
        near = [n for n in names if '.' not in n][:8]
    return (
        f'no layer matches {shorten(pattern)}; nearest: {", ".join(near)} '
        '(python tools/erf.py CONFIG --list-layers prints them all)'
    )
