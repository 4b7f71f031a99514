"""A paper's worth of trainings and evaluations: described in a file, planned, and run here or on a cluster."""
