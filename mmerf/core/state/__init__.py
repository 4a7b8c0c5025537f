"""What a measurement changes, kept by value and given back afterwards.

May import: ``errors``.
"""
