"""Random nets of many kinds of blocks, against plain autograd in float64.

A net is drawn from a seed (``nets``), block by block from a table of kinds
(``table``, ``kinds``). Each block declares what it does to places and layouts
(``block``, ``pixels``); ``reference`` measures the net plainly, ``check``
compares. A new kind is a function or a class in ``kinds``, and its entry in
that module's ``KINDS``.
"""

from .check import BAD, NetRecord, check_net, make_net
from .nets import featured_kind
from .table import KINDS

__all__ = [
    'BAD',
    'KINDS',
    'NetRecord',
    'check_net',
    'featured_kind',
    'make_net',
]
