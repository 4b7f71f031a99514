"""Networks: the skip transformer, the motion VAE and denoisers of MLD and MotionLCM, and LEAD's projector."""
