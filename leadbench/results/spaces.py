"""Names of the rows of a run of ``leadbench structure``."""

LATENTS, PROJECTED = "Latents", "Projected"
PCA, SHUFFLED = ", PCA", ", shuffled"
DIFFERENCE = "Projected - Latents"
