"""Where context comes from: contributions by the class of their pixels.

May import: ``measure``, ``measurement``, ``aggregate``, ``inputs``,
``results``, ``options``.
"""
