"""Forward passes that compute convolutions only where scores need them.

A forward is recorded once, operation by operation; from its end to its start
follows which part of every tensor the scores depend on.
May import: ``attributions``, ``gradient``, ``running``, ``targets``,
``state``, ``batch``, ``aten``, ``errors``.
"""
