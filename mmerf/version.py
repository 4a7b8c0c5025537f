"""The one place that states mmerf's version."""

__version__ = '0.1.0'
