"""Geometry-guided self-attention (paper Sec. 3.3, Eq. 4-7): ego tokens look more at what lies where they look.

Importing this imports torch, not diffusers: that comes with `install_guidance`.
"""

from .bias import guidance_bias
from .guided import GuidanceError, GuidedAttention, guidance_of, install_guidance, remove_guidance

__all__ = ["GuidanceError", "GuidedAttention", "guidance_bias", "guidance_of", "install_guidance", "remove_guidance"]
