"""What a checkpoint's pickle may name, and what each name makes.

Nothing of that name is imported or called. A name that is not in ``GLOBALS``,
or arguments of another form than mmengine's checkpoints have, raise an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .stored import (
    Storage,
    StoredArray,
    StoredDtype,
    StoredTensor,
    Unread,
    UnsafeGlobalError,
    checked_count,
    elements_of,
)

_DTYPES = {
    'Double': torch.float64, 'Float': torch.float32, 'Half': torch.float16,
    'BFloat16': torch.bfloat16, 'Long': torch.int64, 'Int': torch.int32,
    'Short': torch.int16, 'Char': torch.int8, 'Byte': torch.uint8,
    'Bool': torch.bool, 'ComplexDouble': torch.complex128,
    'ComplexFloat': torch.complex64,
}  # fmt: skip
_ITEM_SIZES = {  # of numpy's dtypes, by name
    'b1': 1, 'i1': 1, 'i2': 2, 'i4': 4, 'i8': 8, 'u1': 1, 'u2': 2, 'u4': 4,
    'u8': 8, 'f2': 2, 'f4': 4, 'f8': 8, 'c8': 8, 'c16': 16,
}  # fmt: skip
_BUFFERS = (bytes, bytearray)
_HISTORY_METHODS = ('min', 'max', 'current', 'mean')


@dataclass(frozen=True, eq=False)
class Global:
    """Stands for a module's name; all it can do is make a stored object.

    Attributes:
        name (str): Such as ``'collections.OrderedDict'``.
        make (callable): Makes the object from the pickle's arguments; raises
            where they are not of the form that a checkpoint needs.
    """

    name: str
    make: Callable[..., Any]


def is_plain_key(key: Any) -> bool:
    """Whether the key of a dict is text or a number.

    The hash of a tuple that holds tuples, a million deep, ends the process.
    """
    return type(key) in (str, int, float, bool, bytes, type(None))


def storage_type(stored: Any) -> torch.dtype:
    """The dtype that ``torch.FloatStorage`` and its like stand for."""
    if type(stored) is not Global or stored.make is not _refuse_call:
        raise ValueError('a storage without a type')
    return _DTYPES[stored.name.removeprefix('torch.')[: -len('Storage')]]


def _tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any
) -> StoredTensor:
    """Of ``_rebuild_tensor`` and ``_v2``: no hooks, no metadata are kept."""
    if type(storage) is not Storage or type(stride) is not tuple:
        raise ValueError('a tensor without a storage')
    if len(rest) > 2 and rest[2]:  # conjugated or negated
        raise ValueError('a tensor with metadata')
    elements_of(shape)
    if len(shape) != len(stride):
        raise ValueError('a shape and its strides differ in length')
    steps = tuple(map(checked_count, stride))
    return StoredTensor(storage, checked_count(offset), shape, steps)


def _parameter(data: Any, *_: Any) -> StoredTensor:
    if type(data) is not StoredTensor:
        raise ValueError('a parameter that is no tensor')
    return data


def _dtype(name: Any, *_: Any) -> StoredDtype:
    if type(name) is not str or name not in _ITEM_SIZES:
        raise UnsafeGlobalError(f'numpy.dtype{_text(name)}')
    return StoredDtype(_ITEM_SIZES[name])


def _array(kind: Any, shape: Any, code: Any) -> StoredArray:
    """Of ``_reconstruct``: an empty array, whose content comes as state."""
    if kind is not GLOBALS['numpy ndarray'] or shape != (0,) or code != b'b':
        raise UnsafeGlobalError('numpy.ndarray')
    return StoredArray()


def _scalar(dtype: Any, content: Any) -> Unread:
    if type(dtype) is not StoredDtype or type(content) is not bytes:
        raise UnsafeGlobalError('numpy scalar of an object')
    if len(content) != dtype.size:
        raise ValueError('a number and its bytes differ in length')
    return Unread()


def _array_of_buffer(
    content: Any, dtype: Any, shape: Any, order: Any
) -> Unread:
    """Of ``_frombuffer``, by which protocol 5 writes arrays."""
    if type(dtype) is not StoredDtype or type(content) not in _BUFFERS:
        raise UnsafeGlobalError('numpy.ndarray of objects')
    if order not in ('C', 'F') or elements_of(shape) * dtype.size != len(
        content
    ):
        raise ValueError('an array and its bytes differ in length')
    return Unread()


def _bytes(text: Any = '', encoding: Any = 'latin1') -> bytes:
    """Bytes, which a pickle of protocol 2 writes as text."""
    if type(text) is not str or encoding != 'latin1':
        raise UnsafeGlobalError('_codecs.encode')
    return text.encode('latin1')


def _getattr(owner: Any, name: Any) -> Unread:
    """The statistics of a history, which its state names."""
    if owner is not GLOBALS[_HISTORY] or name not in _HISTORY_METHODS:
        raise UnsafeGlobalError(f'builtins.getattr{_text(name)}')
    return Unread()


def _dict(items: Any = ()) -> dict:
    """A dict, ordered or of counts; Python 2 writes it as a list of pairs."""
    if type(items) is list:
        return {key: value for key, value in items if is_plain_key(key)}
    return dict(items) if type(items) is dict else {}


def _text(value: Any) -> str:
    return f' of {value!r:.40}' if type(value) is str else ''


def _unread(*_: Any) -> Unread:
    return Unread()


def _size(sides: Any = ()) -> tuple:
    elements_of(sides)
    return sides


def _refuse_call(*_: Any) -> None:
    raise ValueError('a type is called')


_HISTORY = 'mmengine.logging.history_buffer HistoryBuffer'
_BY_NAME: dict[str, Callable[..., Any]] = {
    'collections OrderedDict': _dict,
    'collections Counter': _dict,
    'torch._utils _rebuild_tensor': _tensor,
    'torch._utils _rebuild_tensor_v2': _tensor,
    'torch._utils _rebuild_parameter': _parameter,
    'torch._utils _rebuild_parameter_with_state': _parameter,
    'torch Size': _size,
    'torch device': _unread,
    **{f'torch {kind}Storage': _refuse_call for kind in _DTYPES},
    **{str(dtype).replace('.', ' '): _refuse_call
       for dtype in _DTYPES.values()},
    'numpy dtype': _dtype,
    'numpy ndarray': _refuse_call,
    **{f'numpy.{package}.multiarray {name}': make
       for package in ('core', '_core')
       for name, make in (('_reconstruct', _array), ('scalar', _scalar))},
    **{f'numpy.{package}.numeric _frombuffer': _array_of_buffer
       for package in ('core', '_core')},
    '_codecs encode': _bytes,
    **{f'{builtins} {name}': make
       for builtins in ('builtins', '__builtin__')
       for name, make in (('bytes', _bytes), ('set', _unread),
                          ('slice', _unread), ('complex', _unread),
                          ('frozenset', _unread), ('getattr', _getattr))},
    _HISTORY: _unread,
}  # fmt: skip
GLOBALS = {
    name: Global(name.replace(' ', '.').replace('__builtin__', 'builtins'),
                 make)
    for name, make in _BY_NAME.items()
}  # fmt: skip
