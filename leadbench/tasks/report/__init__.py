"""A report of stored runs: one HTML page with tables, plots, claims and motions."""
