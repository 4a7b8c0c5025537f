"""One image's graph is kept: a map of any unit is one backward pass.

``explorer`` runs the model once and measures unit after unit; ``question``
says what is scored there.
May import: ``assemble``, ``options``, ``build``, ``aggregate``,
``attributions``, ``gradient``, ``running``, ``switching``, ``state``,
``targets``, ``layers``, ``results``, ``statistics``, ``inputs``, ``grid``,
``batch``, ``errors``.
"""
