"""Backward passes: ordinary ones, and ones that skip exact zeros.

May import: ``running``, ``aten``, ``errors``.
"""
