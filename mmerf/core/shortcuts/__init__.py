"""Which shortcuts of a forward repay, and whether a model takes them.

May import: ``folding``, ``attributions``, ``running``, ``targets``,
``layers``, ``batch``, ``errors``.
"""
