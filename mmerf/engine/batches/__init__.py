"""From a data batch of MMEngine to a ``Batch`` that can be measured.

Preprocessed and run exactly as validation does it, up to the logits. Imports
nothing of ``engine`` outside this room.
"""
