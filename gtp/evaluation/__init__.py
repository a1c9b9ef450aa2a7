"""What is measured of a trained policy, and of the code itself: rollouts, cost, timing, the oracle."""
