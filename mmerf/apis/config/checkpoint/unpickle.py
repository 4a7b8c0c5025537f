"""Read a pickle without calling anything that it names."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from .pickle_globals import GLOBALS, Global, check_key
from .stored import StoredArray, StoredDtype, Unread, UnsafeGlobalError

_VALUES = (
    'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE',
    'BINSTRING', 'SHORT_BINSTRING',
)  # fmt: skip
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False,
              'EMPTY_TUPLE': ()}  # fmt: skip
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


class SafeUnpickler:
    """Runs the operations that ``torch.save`` writes (protocol 2), no other.

    Every name stands for an entry of ``GLOBALS``. Objects are plain
    lists, tuples, dicts, numbers and text, and what those entries make.

    Args:
        file (BinaryIO): The pickle's bytes come next; it is left behind them.
        size (int): Bytes of the file. Copies that the pickle asks for may
            not come to more, so that a small file cannot fill the memory.
        storage (callable): Gives the storage that a pickle refers to.
    """

    def __init__(
        self, file: BinaryIO, size: int, storage: Callable[[Any], Any]
    ) -> None:
        self._file, self._left, self._storage = file, size, storage
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object that the pickle holds.

        Raises:
            UnsafeGlobalError: If it asks for anything that could run code.
            ValueError, LookupError, TypeError: If it is damaged.
        """
        for operation, argument, _ in pickletools.genops(self._file):
            self._run(operation.name, argument)
        return self._stack.pop()

    def _run(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ('BINGET', 'LONG_BINGET'):
            stack.append(self._memo[argument])
        elif name in ('BINPUT', 'LONG_BINPUT'):
            self._memo[argument] = stack[-1]
        elif name == 'MARK':
            self._marked.append(stack)
            self._stack = []
        elif name == 'TUPLE':
            inside = tuple(self._since_mark())
            self._stack.append(inside)
        elif name in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[name])))
        elif name == 'EMPTY_DICT':
            stack.append({})
        elif name == 'EMPTY_LIST':
            stack.append([])
        elif name in ('SETITEM', 'SETITEMS'):
            items = self._pop(2) if name == 'SETITEM' else self._since_mark()
            owner = self._top(dict)
            for key, value in zip(items[::2], items[1::2], strict=True):
                owner[check_key(key)] = value
        elif name in ('APPEND', 'APPENDS'):
            items = self._pop(1) if name == 'APPEND' else self._since_mark()
            self._top(list).extend(items)
        elif name == 'GLOBAL':
            if argument not in GLOBALS:
                raise UnsafeGlobalError(argument.replace(' ', '.'))
            stack.append(GLOBALS[argument])
        elif name in ('REDUCE', 'NEWOBJ'):
            self._make(*self._pop(2))
        elif name == 'BUILD':
            (state,) = self._pop(1)
            if type(self._stack[-1]) is not dict:  # of which nothing is kept
                self._top(Unread, StoredDtype, StoredArray).set_state(state)
        elif name == 'BINPERSID':
            stack.append(self._storage(stack.pop()))
        elif name not in ('PROTO', 'STOP'):
            raise ValueError(f'{name} is no operation of protocol 2')

    def _make(self, called: Any, arguments: Any) -> None:
        if type(called) is not Global:
            raise UnsafeGlobalError(f'a call of {type(called).__name__}')
        if type(arguments) is not tuple:
            raise ValueError('arguments are no tuple')
        made = called.make(*arguments)
        self._left -= len(made) if type(made) in (bytes, dict) else 0
        if self._left < 0:
            raise ValueError('it repeats its content')
        self._stack.append(made)

    def _top(self, *kinds: type) -> Any:
        """The last object of the stack, of one of these types."""
        if type(self._stack[-1]) not in kinds:
            raise ValueError(f'{type(self._stack[-1]).__name__} is changed')
        return self._stack[-1]

    def _pop(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        if len(items) < count:
            raise ValueError('its stack is empty')
        del self._stack[-count:]
        return items

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marked.pop()
        return items
