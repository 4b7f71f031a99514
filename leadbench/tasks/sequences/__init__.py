"""Captions of two actions: whether a motion shows both, in their order."""
