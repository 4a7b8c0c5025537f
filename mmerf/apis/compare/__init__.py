"""Results of several runs -> one figure and table.

Runs are read back from their files, and shown beside each other or over the
steps of a training.
"""
