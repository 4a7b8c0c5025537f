"""Random nets of many kinds of blocks, against plain autograd in float64.

A net is drawn from a seed (``draw``, ``nets``), block by block from a table
of kinds (``table``, ``kinds``). Each block declares what it does to places and
layouts (``block``, ``pixels``); ``reference`` measures the net plainly,
``check`` and ``compare`` measure it with mmerf and compare; ``shrink`` makes a
failing net smaller. A new kind is a function or a class in ``kinds``, and its
entry in that module's ``KINDS``.
"""

from .check import check_net, make_net
from .draw import featured_kind
from .table import KINDS

__all__ = [
    'KINDS',
    'check_net',
    'featured_kind',
    'make_net',
]
