"""Backward passes: plain ones, and ones that skip what is exactly zero.

May import: ``running``, ``errors``.
"""
