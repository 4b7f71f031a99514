"""What several tasks use: units, chunks of work, measuring, scoring, controls, the self-test."""
