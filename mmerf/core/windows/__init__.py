"""Find a crop about the units that serves instead of the whole image.

May import: ``gradient``, ``running``, ``spans``, ``targets``, ``batch``,
``grid``, ``aten``, ``errors``.
"""
