"""Which shortcuts of a forward repay, and whether a model takes them.

May import: ``attributions``, ``gradient``, ``running``, ``targets``,
``following``, ``layers``, ``batch``, ``aten``, ``errors``.
"""
