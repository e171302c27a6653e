"""Splits: manifests of clips, what makes them and what audits them."""
