"""Checkpoints as somebody would forge them, operation by operation.

A pickle is written as nested Python values: ``Call`` and the like stand for
the operations that Python's own pickler would not write.
"""

import io
import pickle
import random
import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import torch
from torch._weights_only_unpickler import _get_allowed_globals

from mmerf.apis.config.checkpoint.pickle_globals import GLOBALS

FILL = 0x2A  # every byte of the weights of a forged file
COUNT = 6  # float32 numbers of its one storage


@dataclass
class Name:
    text: str  # 'module name'


@dataclass
class Call:
    called: Any
    arguments: Any
    code: bytes = pickle.REDUCE


@dataclass
class Build:
    inst: Any
    state: Any


@dataclass
class Put:
    """Items put into an object: SETITEMS or APPENDS."""

    inst: Any
    items: list
    code: bytes = pickle.SETITEMS


@dataclass
class Reference:
    """A storage."""

    parts: Any


def written(value):
    """The operations that make a value, without PROTO and STOP."""
    if value is None:
        return pickle.NONE
    if isinstance(value, bool):
        return pickle.NEWTRUE if value else pickle.NEWFALSE
    if isinstance(value, int):
        raw = pickle.encode_long(value)
        return pickle.LONG1 + bytes([len(raw)]) + raw
    if isinstance(value, float):
        return pickle.BINFLOAT + struct.pack('>d', value)
    if isinstance(value, bytes):
        return written(
            Call(Name('_codecs encode'), (value.decode('latin1'), 'latin1'))
        )
    if isinstance(value, str):
        raw = value.encode('utf-8', 'surrogatepass')
        return pickle.BINUNICODE + struct.pack('<I', len(raw)) + raw
    if isinstance(value, tuple):
        return pickle.MARK + b''.join(map(written, value)) + pickle.TUPLE
    if isinstance(value, list):
        return written(Put(None, value, pickle.APPENDS)).replace(
            pickle.NONE, pickle.EMPTY_LIST, 1
        )
    if isinstance(value, dict):
        items = [part for pair in value.items() for part in pair]
        return written(Put(None, items)).replace(
            pickle.NONE, pickle.EMPTY_DICT, 1
        )
    if isinstance(value, Name):
        module, name = value.text.split(' ')
        return pickle.GLOBAL + f'{module}\n{name}\n'.encode()
    if isinstance(value, Call):
        return written(value.called) + written(value.arguments) + value.code
    if isinstance(value, Build):
        return written(value.inst) + written(value.state) + pickle.BUILD
    if isinstance(value, Put):
        items = b''.join(map(written, value.items))
        return written(value.inst) + pickle.MARK + items + value.code
    if isinstance(value, Reference):
        return written(value.parts) + pickle.BINPERSID
    raise TypeError(value)


def archive(operations, fill=FILL):
    """A checkpoint of torch.save's form around a pickle's operations."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as zipped:
        zipped.writestr('x/data.pkl', b'\x80\x02' + operations + b'.')
        zipped.writestr('x/byteorder', 'little')
        zipped.writestr('x/data/0', bytes([fill]) * 4 * COUNT)
        zipped.writestr('x/version', '3\n')
    return file.getvalue()


def reference(count=COUNT, kind='torch FloatStorage', key='0'):
    return Reference(('storage', Name(kind), key, 'cpu', count))


def tensor(*changed, storage=None):
    """A tensor of two numbers, or with other arguments."""
    plain = [storage or reference(), 0, (2,), (1,), False, {}]
    plain[: len(changed)] = changed
    return Call(Name('torch._utils _rebuild_tensor_v2'), tuple(plain))


PLAIN_STATE = (3, '<', None, None, None, -1, -1, 0)


def dtype(name='f8', state=PLAIN_STATE):
    made = Call(Name('numpy dtype'), (name, False, True))
    return made if state is None else Build(made, state)


def array(shape=(2,), kind=None, content=bytes([FILL]) * 16):
    made = Call(
        Name('numpy.core.multiarray _reconstruct'),
        (Name('numpy ndarray'), (0,), b'b'),
    )
    return Build(made, (1, shape, kind or dtype(), False, content))


def scalar(kind, content):
    return Call(Name('numpy.core.multiarray scalar'), (kind, content))


HISTORY = Name('mmengine.logging.history_buffer HistoryBuffer')


def over_buffer(kind):
    """Eight bytes of the file as one element, by numpy's constructor."""
    return Call(Name('numpy ndarray'), ((1,), kind, b'*' * 8))


OBJECTS = (3, '|', None, None, None, -1, -1, 63)
FIELDS = (3, '|', None, ('a',), {'a': (dtype('O', None), 0)}, 8, 1, 63)
SUBARRAY = (3, '|', (dtype('O', None), (1,)), None, None, 8, 1, 63)
FORGED = {  # what is known to reach raw pointers, and its like
    'objects': array((2,), dtype('O8', OBJECTS)),
    'dtype of objects': dtype('O', None),
    'dtype of fields': dtype([('a', 'O')], None),
    'objects by flags': array((2,), dtype('f8', OBJECTS)),
    'fields': array((2,), dtype('V8', FIELDS)),
    'fields over a number': array((2,), dtype('f8', FIELDS)),
    'subarray': array((2,), dtype('V8', SUBARRAY)),
    'object scalar': scalar(dtype('O8', OBJECTS), bytes([FILL]) * 8),
    'object scalar by flags': scalar(dtype('f8', OBJECTS), b'*' * 8),
    'ndarray over a buffer': over_buffer(dtype('O', None)),
    'history of pointers': Call(HISTORY, (over_buffer(dtype('O', None)), [1])),
    'history of pointers in fields': Call(
        HISTORY, (over_buffer(dtype([('a', 'O')], None)), [1])
    ),
    'ndarray of nothing': Call(Name('numpy ndarray'), ((2**20,),)),
    'ndarray of nothing, new': Call(
        Name('numpy ndarray'), ((2**20,),), pickle.NEWOBJ
    ),
    'dtype class': Call(Name('numpy.dtypes ObjectDType'), ()),
    'wrong flags': dtype('f8', (3, '<', None, None, None, -1, -1, 255)),
    'wrong size': dtype('f8', (3, '<', None, None, None, 2**40, -1, 0)),
    'text in a state': dtype('f8', (3, '<', 'a', 'b', 'c', 'd', 'e', 'f')),
    'short state': dtype('f8', (3,)),
    'array longer than its bytes': array((2**30,)),
    'array of many sides': array((1,) * 4000),
    'negative array': array((-1,)),
    'scalar longer than its bytes': scalar(dtype(), b'*'),
    'tensor beyond its storage': tensor(reference(), 0, (2**20,), (1,)),
    'tensor before its storage': tensor(reference(), -1, (2,), (1,)),
    'tensor far ahead': tensor(reference(), 2**40, (2,), (1,)),
    'negative stride': tensor(reference(), 1, (2,), (-1,)),
    'stride beyond': tensor(reference(), 0, (2,), (2**40,)),
    'sides that overflow': tensor(reference(), 0, (2**33, 2**33), (0, 0)),
    'storage beyond the file': tensor(reference(2**30), 0, (2**20,), (1,)),
    'storage of no size': tensor(reference(-1)),
    'storage twice as wide': tensor(reference(kind='torch DoubleStorage')),
    'no such storage': tensor(reference(key='1')),
    'storage of another place': tensor(reference(key='../version')),
    'truth of 42': tensor(reference(kind='torch BoolStorage')),
    'empty memory': Call(Name('torch FloatTensor'), (2**20,)),
    'empty storage': Call(Name('torch.storage UntypedStorage'), (2**20,)),
    'getattr': Call(
        Name('__builtin__ getattr'),
        (HISTORY, '__init__'),
    ),
    'class attribute': Build(
        HISTORY,
        (None, {'update': 1}),
    ),
    'attribute of a function': Build(
        Name('torch._utils _rebuild_tensor_v2'), (None, {'__defaults__': ()})
    ),
    'method of a dict': Build(
        Call(Name('collections OrderedDict'), ()), {'items': 5, 'copy': 5}
    ),
}


def deep(depth, code):
    return pickle.NONE + code * depth


FORGED_BYTES = {
    'key a million deep': pickle.EMPTY_DICT
    + deep(10**6, pickle.TUPLE1) + pickle.NONE + pickle.SETITEM,
    'tuple a million deep': deep(10**6, pickle.TUPLE1),
    'memo of 2**32': pickle.NONE + pickle.LONG_BINPUT + b'\xff\xff\xff\xfe',
    'text of 2**32': pickle.BINUNICODE + b'\xff\xff\xff\xff',
    'text of 2**63': pickle.BINUNICODE8 + b'\xff' * 7 + b'\x7f',
    'number of a million digits': pickle.LONG + b'9' * 10**6 + b'L\n',
    'text made again and again': written('*' * 10**5)
    + pickle.BINPUT + b'\0' + pickle.MARK
    + (written(Name('_codecs encode')) + pickle.BINGET + b'\0'
       + written('latin1') + pickle.TUPLE2 + pickle.REDUCE) * 10**5
    + pickle.TUPLE,
    'extension': pickle.EXT1 + b'\x01',
    'instance': pickle.MARK + pickle.INST + b'os\nmkdir\n',
    'named by the stack': written('os') + written('mkdir')
    + pickle.STACK_GLOBAL,
    'next buffer': pickle.NEXT_BUFFER,
    'nothing': b'',
    'marks': pickle.MARK * 1000 + pickle.TUPLE * 1001,
}  # fmt: skip


def names():
    """Every name that this unpickler or torch's own allows."""
    torchs = {' '.join(n.rsplit('.', 1)) for n in _get_allowed_globals()}
    return sorted({*GLOBALS, *torchs})


VALUES = [
    None, True, -1, 0, 3, 2**31, 2**63, -(2**63), 2**200, 1e308,
    float('nan'), '', 'f8', 'O', 'O8', 'cpu', 'cuda:0', 'torch.strided',
    'latin1', '\ud800', b'', b'*' * 8, (), (2,), (-1,), (2**62, 4), [], [1],
    [[1, 2], [3, 4]], {}, {'a': 1}, {'__class__': 1}, PLAIN_STATE, OBJECTS,
    (None, {'__dict__': 1}), reference(), reference(2**40), dtype(),
    dtype('O', None), over_buffer(dtype('O', None)), array(),
    array((2,), dtype('O8', OBJECTS)), tensor(),
]  # fmt: skip
CALLS = {  # valid arguments, of which one at a time is replaced
    'torch._utils _rebuild_tensor': (reference(), 0, (2,), (1,)),
    'torch._utils _rebuild_tensor_v2':
        (reference(), 0, (2,), (1,), False, {}, {}),
    'torch._utils _rebuild_parameter': (tensor(), True, {}),
    'torch._utils _rebuild_parameter_with_state': (tensor(), True, {}, {}),
    'torch._tensor _rebuild_from_type_v2':
        (Name('torch._utils _rebuild_tensor'), Name('torch Tensor'),
         (reference(), 0, (2,), (1,)), {}),
    'torch._utils _rebuild_nested_tensor':
        (tensor(), tensor(), tensor(), tensor()),
    'torch._utils _rebuild_sparse_tensor':
        (Call(Name('torch.serialization _get_layout'), ('torch.sparse_coo',)),
         (tensor(), tensor(), (2**40,))),
    'numpy dtype': ('f8', False, True),
    'numpy.core.multiarray _reconstruct':
        (Name('numpy ndarray'), (0,), b'b'),
    'numpy._core.multiarray _reconstruct':
        (Name('numpy ndarray'), (0,), b'b'),
    'numpy.core.multiarray scalar': (dtype(), b'*' * 8),
    'numpy._core.multiarray scalar': (dtype(), b'*' * 8),
    HISTORY.text: (array(), array()),
    'numpy ndarray': ((1,), dtype(), b'*' * 8),
    '_codecs encode': ('abc', 'latin1'),
    '__builtin__ getattr':
        (HISTORY, 'min'),
    'builtins getattr':
        (HISTORY, 'min'),
}  # fmt: skip


def forged(seed=0, random_cases=1200):
    """Hostile checkpoints by name: at least one of every allowed name."""
    cases = {k: archive(written(v)) for k, v in FORGED.items()}
    cases |= {k: archive(v) for k, v in FORGED_BYTES.items()}
    draw = random.Random(seed)
    every = names()
    for number in range(max(random_cases, 3 * len(every))):
        name = every[number % len(every)]
        kind = draw.randrange(4)
        if name in CALLS and kind:
            arguments = list(CALLS[name])
            arguments[draw.randrange(len(arguments))] = draw.choice(VALUES)
        else:
            arguments = draw.choices(VALUES, k=draw.randrange(5))
        value = Call(
            Name(name),
            tuple(arguments),
            pickle.NEWOBJ if kind == 3 else pickle.REDUCE,
        )
        if draw.random() < 0.3:
            value = Build(value, draw.choice(VALUES))
        elif draw.random() < 0.1:
            value = Build(Name(name), draw.choice(VALUES))
        elif draw.random() < 0.1:
            value = Put(value, draw.choices(VALUES, k=2))
        elif draw.random() < 0.1:
            value = Call(value, tuple(draw.choices(VALUES, k=2)))
        cases[f'{number} {name}'] = archive(written(value))
    return cases


def with_weights(value):
    """A checkpoint of two weights and a forged object beside them."""
    return archive(written({'state_dict': {'0.bias': tensor()}, 'x': value}))


def is_filled(found: torch.Tensor) -> bool:
    """Whether a tensor holds nothing but what the forged file holds."""
    content = found.contiguous().reshape(-1).view(torch.uint8)
    return bool((content == FILL).all())
