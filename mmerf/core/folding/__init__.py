"""Batch norms folded into the convolutions before them, while maps are made.

May import: ``running``, ``state``, ``batch``, ``aten``, ``errors``.
"""
