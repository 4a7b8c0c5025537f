"""Where the entries of every tensor of a forward pass sit in the input.

May import: ``placing``, ``grid``, ``aten``, ``errors``.
"""
