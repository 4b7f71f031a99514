"""The paper's claims, judged on stored records."""
