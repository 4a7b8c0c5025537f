"""Run a batch, by shortcuts where they are safe: windows, folding, layout.

May import: ``windows``, ``aggregate``, ``attributions``, ``switching``,
``running``, ``state``, ``targets``, ``layers``, ``grid``, ``batch``, ``aten``,
``options``, ``errors``.
"""
