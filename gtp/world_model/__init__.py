"""Mathematics of a latent world model and of planning in it; no training, no data."""
