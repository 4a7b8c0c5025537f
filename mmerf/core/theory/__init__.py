"""The theoretical receptive field: closed form, and a search from two sides.

May import: ``spans``, ``gradient``, ``running``, ``state``, ``results``,
``targets``, ``layers``, ``grid``, ``batch``, ``errors``.
"""
