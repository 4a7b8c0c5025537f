"""Run a crop about the units instead of the whole image, where that is safe.

May import: ``aggregate``, ``attributions``, ``gradient``, ``running``,
``targets``, ``batch``, ``grid``, ``errors``.
"""
