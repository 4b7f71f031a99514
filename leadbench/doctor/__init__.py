"""Checks of this machine and of a dataset folder."""
