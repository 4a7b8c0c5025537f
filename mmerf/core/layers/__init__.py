"""Layers: from names to modules, from outputs to (N, C, h, w).

May import: ``grid``, ``errors``.
"""
