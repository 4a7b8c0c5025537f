"""Statistics: a raw (H, W) map -> plain numbers, one family per file.

``base`` declares what a statistic is and who shows its numbers; ``table``
lists those that there are. May import: ``import_path``, ``errors``.
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
