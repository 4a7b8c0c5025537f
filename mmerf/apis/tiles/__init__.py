"""Config and checkpoint -> what sliding windows change, and which to take.

``run`` measures, ``tables`` and ``write`` tell.
"""
