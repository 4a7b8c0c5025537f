"""Maps over images and ranks: mean, standard errors, exact merging.

May import: ``attributions``, ``targets``, ``statistics``, ``batch``,
``grid``, ``errors``.
"""
