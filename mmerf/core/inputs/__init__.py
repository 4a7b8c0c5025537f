"""What is handed to a measurement: images, in any form, to batches.

May import: ``batch``, ``errors``.
"""
