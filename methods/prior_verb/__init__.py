"""The verb `egox-bench prior`. Apart from the method `ego-prior`, whose keys cover its whole package: a label in a strip is none
of its business."""
