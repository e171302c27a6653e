"""What a metric makes of known damage to the truth: ladders of perturbations, measured, summed up and drawn."""
