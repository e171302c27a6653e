"""`python -m methods.train_verb ...`, the same as `egox-bench train ...`: what `accelerate launch -m` starts on several GPUs."""

import sys

from benchmark.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
