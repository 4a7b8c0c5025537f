"""Where a unit sits in the input: coordinate maps followed through aten.

May import: ``errors``.
"""
