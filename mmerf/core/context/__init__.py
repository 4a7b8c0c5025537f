"""How much context units need, by forward passes on changed copies of images.

``curves``: squares about units are kept, or replaced; ``faithfulness``: how
well a map says which pixels matter. Neither trusts a gradient: what they say
was seen in outputs.
May import: ``measurement``, ``options``, ``build``, ``aggregate``,
``attributions``, ``running``, ``state``, ``targets``, ``layers``,
``results``, ``statistics``, ``inputs``, ``grid``, ``atomic_files``,
``batch``, ``errors``.
"""
