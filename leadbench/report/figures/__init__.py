"""Figures: pose strips and pictures of latent spaces."""
