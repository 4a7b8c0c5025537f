"""The theoretical receptive field: closed form, and a search by gradients.

May import: ``running``, ``results``, ``targets``, ``layers``, ``grid``,
``batch``, ``errors``.
"""
