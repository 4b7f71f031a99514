"""Metrics of text-to-motion: pure functions in float64 that refuse NaN."""
