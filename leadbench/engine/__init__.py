"""The same numbers faster: networks prepared for inference, without autograd and without work that changes nothing.

Each prepared network equals its module of :mod:`leadbench.nn` to rounding; ``benchmarks/plain.py`` is the
readable reference, written as the official codes compute.
"""
