"""Where what an operation returns sits in the input, by where its inputs do.

May import: ``grid``, ``aten``, ``errors``.
"""
