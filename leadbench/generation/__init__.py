"""Captions to motions: the generation pipeline, motion textual inversion, and concept files."""
