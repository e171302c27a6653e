"""The verb `egox-bench train`: from clips to examples on disk to trained weights, resumable at every point."""
