"""Which tensors are meant: names to modules, outputs to (N, C, h, w).

May import: ``grid``, ``errors``.
"""
