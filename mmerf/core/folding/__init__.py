"""Batch norms folded into the convolutions before them, while maps are made.

May import: ``running``, ``batch``, ``aten``, ``errors``.
"""
