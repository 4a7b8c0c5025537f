"""Run a batch, by shortcuts where they are safe.

May import: ``shortcuts``, ``windows``, ``partial``, ``folding``,
``aggregate``, ``attributions``, ``switching``, ``running``, ``state``,
``targets``, ``following``, ``layers``, ``grid``, ``batch``, ``aten``,
``options``, ``errors``.
"""
