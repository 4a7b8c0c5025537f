"""A data batch of MMEngine as a measurement takes it.

May import: ``core``.
"""
