"""Switch modules of a model off while it is measured, and say how.

May import: ``running``, ``layers``, ``batch``, ``aten``, ``errors``.
"""
