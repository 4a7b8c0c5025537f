"""Run a model's forward, read its layers, and leave nothing behind.

May import: ``targets``, ``layers``, ``grid``, ``batch``, ``errors``.
"""
