"""Training online: the loops that act in an environment while they learn, and their evaluation."""
