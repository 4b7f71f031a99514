"""The Python API, by subject; :mod:`leadbench` lists all of it, and ``leadbench.__all__`` is what may be relied on."""
