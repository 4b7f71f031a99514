"""Seconds per prompt, by stage (section 5.3)."""
