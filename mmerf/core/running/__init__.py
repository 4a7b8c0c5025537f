"""Run a model's forward once, and read its layers as they return.

May import: ``state``, ``targets``, ``layers``, ``following``, ``grid``,
``batch``, ``aten``, ``errors``.
"""
