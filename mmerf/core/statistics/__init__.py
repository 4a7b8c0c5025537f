"""Statistics: plain numbers of a raw (H, W) map, one family per file.

``base`` declares what a statistic is and where its numbers show; ``table``
lists all statistics. May import: ``import_path``, ``errors``.
"""

from .base import Number, Statistic, headline_shares
from .context import SHARES, StatisticContext
from .profile import mass_by_square
from .table import STATISTICS, add_statistics, all_statistics, shown_numbers

__all__ = [
    'SHARES',
    'STATISTICS',
    'Number',
    'Statistic',
    'StatisticContext',
    'add_statistics',
    'all_statistics',
    'headline_shares',
    'mass_by_square',
    'shown_numbers',
]
