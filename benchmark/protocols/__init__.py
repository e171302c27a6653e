"""Protocols: which metrics, with which parameters, on which canvas. A number without its protocol has no meaning."""

from .protocol import Protocol, load_protocol, protocol_names, score_key

__all__ = ["Protocol", "load_protocol", "protocol_names", "score_key"]
