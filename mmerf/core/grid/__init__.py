"""Where a unit sits in the input: coordinate maps, traced through aten.

May import: ``errors``.
"""
