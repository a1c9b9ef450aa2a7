"""Training: the loop, the vectorised learner, checkpoints."""
