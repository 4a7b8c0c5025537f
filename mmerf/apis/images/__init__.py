"""Images of a validation set or a folder -> batches that are measured.

An image that cannot be read or measured is skipped and its reason kept.
"""
