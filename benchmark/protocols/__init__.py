"""Protocols: which metrics, with which parameters, on which canvas. A number without its protocol has no meaning."""

from .protocol import ClipIdentity, Protocol, load_protocol, protocol_names, score_key

__all__ = ["ClipIdentity", "Protocol", "load_protocol", "protocol_names", "score_key"]
