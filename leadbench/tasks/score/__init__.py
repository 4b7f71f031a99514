"""Scores of a folder of motions, whoever generated them."""
