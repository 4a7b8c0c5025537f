"""What sliding windows change: whole images against tiles that overlap.

May import: ``running``, ``state``, ``targets``, ``results``, ``statistics``,
``atomic_files``, ``batch``, ``errors``.
"""
