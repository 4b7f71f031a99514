"""Structure of the latent space before and after the projector (Figure 3)."""
