"""What everything else stands on: contracts, batch types, errors, randomness, configuration, settings."""
