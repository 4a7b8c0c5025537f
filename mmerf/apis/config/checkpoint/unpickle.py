"""Read a pickle without calling anything that it names."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from .pickle_globals import GLOBALS, Global, is_plain_key
from .stored import StoredArray, StoredDtype, Unread, UnsafeGlobalError

_VALUES = (
    'BININT', 'BININT1', 'BININT2', 'LONG1', 'LONG4', 'BINFLOAT',
    'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8', 'BINSTRING',
    'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8',
    'BYTEARRAY8',
)  # fmt: skip
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False,
              'EMPTY_TUPLE': ()}  # fmt: skip
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


class SafeUnpickler:
    """Runs the operations that ``torch.save`` writes (protocols 2 to 5).

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
        elif name == 'MEMOIZE':
            self._memo[len(self._memo)] = stack[-1]
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
                if is_plain_key(key):  # nobody reads what has another
                    owner[key] = value
        elif name in ('APPEND', 'APPENDS'):
            items = self._pop(1) if name == 'APPEND' else self._since_mark()
            self._top(list).extend(items)
        elif name in ('EMPTY_SET', 'FROZENSET', 'ADDITEMS'):
            if name != 'EMPTY_SET':
                self._since_mark()
            if name == 'ADDITEMS':
                self._top(Unread)
            else:
                self._stack.append(Unread())
        elif name == 'GLOBAL':
            stack.append(_known(argument))
        elif name == 'STACK_GLOBAL':
            names = self._pop(2)
            if not all(type(part) is str for part in names):
                raise ValueError('a name is no text')
            stack.append(_known(' '.join(names)))
        elif name in ('REDUCE', 'NEWOBJ'):
            self._make(*self._pop(2))
        elif name == 'BUILD':
            (state,) = self._pop(1)
            if type(self._stack[-1]) is not dict:  # of which nothing is kept
                self._top(Unread, StoredDtype, StoredArray).set_state(state)
        elif name == 'BINPERSID':
            stack.append(self._storage(stack.pop()))
        elif name not in ('PROTO', 'FRAME', 'STOP'):
            raise ValueError(f'{name} is no operation of torch.save')

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


def _known(name: str) -> Global:
    """What stands for a module's name; 'module name'."""
    if name not in GLOBALS:
        raise UnsafeGlobalError(name.replace(' ', '.'))
    return GLOBALS[name]
