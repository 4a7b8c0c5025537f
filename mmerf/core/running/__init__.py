"""Run a model's forward, read its layers, and leave the model as it was.

May import: ``targets``, ``layers``, ``following``, ``grid``, ``batch``,
``errors``.
"""
