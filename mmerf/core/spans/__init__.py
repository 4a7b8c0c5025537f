"""Which input pixels a tensor's elements may depend on, by its operations.

May import: ``aten``.
"""
