"""Evaluations: each folder holds one task with its protocol, its units of work and its table."""
