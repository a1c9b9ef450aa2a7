"""The mathematics of generative models, without networks, data or training."""
