"""The paper's claims as named checks over stored records."""
