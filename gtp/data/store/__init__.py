"""Local Minari datasets with their cards."""
