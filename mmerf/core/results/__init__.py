"""A finished result: map, numbers, provenance, and its file.

May import: ``statistics``, ``grid``, ``atomic_files``, ``errors``.
"""
