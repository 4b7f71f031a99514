"""Adapters that read official checkpoints into our modules."""
