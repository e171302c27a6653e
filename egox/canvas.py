"""The canvas of the model: exo and ego side by side, exo on the left, in pixels, latents and tokens.

Sizes are derived here and typed in nowhere else: 448x784 | 448x448 at 49 frames become 13x56x(98 | 56) latents and
13x28x(49 | 28) tokens, 128x224 | 128x128 at 17 frames become 5x16x(28 | 16) and 5x8x(14 | 8).
Only widths are joined, never pictures: exo and ego are encoded and decoded apart, so nothing bleeds over the seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class CanvasError(ValueError):
    """Sizes that do not make a canvas; the message says which, and what would."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """frames x height x (exo | ego) cells, in row-major order: frame, row, column. Cells are pixels, latents or tokens."""

    frames: int
    height: int
    exo: int
    ego: int

    @property
    def width(self) -> int:
        return self.exo + self.ego

    @property
    def cells(self) -> int:
        return self.frames * self.height * self.width

    @property
    def exo_cells(self) -> int:
        """Of all frames."""
        return self.frames * self.height * self.exo

    @property
    def ego_cells(self) -> int:
        """Of all frames."""
        return self.frames * self.height * self.ego

    def join(self, exo: Tensor, ego: Tensor) -> Tensor:
        """[..., frames, height, exo] beside [..., frames, height, ego]. Raises CanvasError for other sizes."""
        import torch

        self._check(exo, self.exo, "exo")
        self._check(ego, self.ego, "ego")
        return torch.cat([exo, ego], dim=-1)

    def split(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        """Views of the exo and the ego columns of [..., frames, height, width]."""
        self._check(joint, self.width, "joint")
        return joint[..., : self.exo], joint[..., self.exo :]

    @cached_property
    def exo_rows(self) -> Tensor:
        """Places of the exo cells in the sequence of all cells, [frames, height * exo] int64."""
        return self._rows()[..., : self.exo].flatten(1)

    @cached_property
    def ego_rows(self) -> Tensor:
        """Places of the ego cells in the sequence of all cells, [frames, height * ego] int64; not contiguous."""
        return self._rows()[..., self.exo :].flatten(1)

    def _rows(self) -> Tensor:
        import torch

        return torch.arange(self.cells).reshape(self.frames, self.height, self.width)

    def _check(self, tensor: Tensor, width: int, name: str) -> None:
        expected = (self.frames, self.height, width)
        if tuple(tensor.shape[-3:]) != expected:
            raise CanvasError(f"{name} cells are {tuple(tensor.shape[-3:])}, the canvas has {expected} (frames, height, width)")


@dataclass(frozen=True, kw_only=True)
class JointCanvas:
    """One clip's canvas. pixels: its size; without exo columns it is one view alone, as a base model is trained on.

    temporal, spatial: strides of the latent codec; patch: of the transformer.

    The codec is causal: latent frame 0 is pixel frame 0, latent frame k > 0 holds the pixel frames that end with temporal * k.
    Raises CanvasError where the strides do not divide the sizes.
    """

    pixels: Grid
    temporal: int = 4
    spatial: int = 8
    patch: tuple[int, int, int] = (1, 2, 2)

    def __post_init__(self) -> None:
        frames, step = self.pixels.frames, self.temporal
        if frames < 1 or frames % step != 1 % step:
            raise CanvasError(f"{frames} frames do not fit the latent codec: it takes {step} n + 1, like {step * 4 + 1}")
        for name, size, least, patch in (
            ("height", self.pixels.height, 1, self.patch[1]),
            ("exo width", self.pixels.exo, 0, self.patch[2]),
            ("ego width", self.pixels.ego, 1, self.patch[2]),
        ):
            if size < least or size % (self.spatial * patch):
                raise CanvasError(f"{name} {size} is not a multiple of {self.spatial * patch} px, the side of a token")
        if self.latents.frames % self.patch[0]:
            raise CanvasError(f"{self.latents.frames} latent frames are not a multiple of the patch of {self.patch[0]}")

    @classmethod
    def of(
        cls, *, frames: int, exo_size: tuple[int, int], ego_size: tuple[int, int], codec: Any = None, transformer: Any = None
    ) -> JointCanvas:
        """The canvas of pictures of these (height, width), with the strides of a codec's and a transformer's config.

        Raises CanvasError where the heights differ or the strides do not divide the sizes.
        """
        if exo_size[0] != ego_size[0]:
            raise CanvasError(f"exo is {exo_size[0]} px high and ego {ego_size[0]}: side by side they must be equally high")
        strides: dict[str, Any] = {}
        if codec is not None:
            strides |= {"temporal": codec.config.scale_factor_temporal, "spatial": codec.config.scale_factor_spatial}
        if transformer is not None:
            strides |= {"patch": tuple(transformer.config.patch_size)}
        return cls(pixels=Grid(frames=frames, height=exo_size[0], exo=exo_size[1], ego=ego_size[1]), **strides)

    @cached_property
    def latents(self) -> Grid:
        return Grid(
            frames=(self.pixels.frames - 1) // self.temporal + 1,
            height=self.pixels.height // self.spatial,
            exo=self.pixels.exo // self.spatial,
            ego=self.pixels.ego // self.spatial,
        )

    @cached_property
    def tokens(self) -> Grid:
        grid = self.latents
        return Grid(
            frames=grid.frames // self.patch[0],
            height=grid.height // self.patch[1],
            exo=grid.exo // self.patch[2],
            ego=grid.ego // self.patch[2],
        )

    @property
    def token_side(self) -> int:
        """Pixels on a side of a token's patch."""
        return self.spatial * self.patch[1]

    @property
    def latent_instants(self) -> tuple[int, ...]:
        """The pixel frame that stands for each latent frame: the last of its group, 0, temporal, 2 temporal, ..."""
        return tuple(range(0, self.pixels.frames, self.temporal))

    @property
    def token_instants(self) -> tuple[int, ...]:
        """The pixel frame that stands for each frame of tokens: that of the last of its latent frames."""
        return self.latent_instants[self.patch[0] - 1 :: self.patch[0]]

    def fold_frames(self, maps: Tensor) -> Tensor:
        """Per-frame maps [..., frames, h, w] as [..., temporal, latent frames, h, w]: the first frame stands for a whole group.

        This is how Wan folds its mask: channel c of latent frame k > 0 is pixel frame temporal * (k - 1) + 1 + c.
        Raises CanvasError for another number of frames.
        """
        import torch

        if maps.ndim < 3 or maps.shape[-3] != self.pixels.frames:
            raise CanvasError(f"maps are {tuple(maps.shape)}, expected [..., {self.pixels.frames} frames, height, width]")
        first = maps[..., :1, :, :].expand(*maps.shape[:-3], self.temporal, *maps.shape[-2:])
        whole = torch.cat([first, maps[..., 1:, :, :]], dim=-3)
        return whole.unflatten(-3, (self.latents.frames, self.temporal)).transpose(-4, -3)

    def cell_shares(self, maps: Tensor) -> Tensor:
        """The share of True pixels of each latent cell: bool [..., frames, H, W] to float32 [..., temporal, f, h, w].

        Raises CanvasError where frames or height are not the canvas's, or the sides are not whole cells.
        """
        import torch.nn.functional as F

        frames, height = self.pixels.frames, self.pixels.height
        if maps.ndim < 3 or tuple(maps.shape[-3:-1]) != (frames, height) or maps.shape[-1] % self.spatial:
            raise CanvasError(
                f"maps are {tuple(maps.shape)}, expected [..., {frames} frames, {height}, a multiple of {self.spatial}] px"
            )
        flat = maps.float().flatten(0, -3)[:, None]
        shares = F.avg_pool2d(flat, self.spatial)[:, 0]
        return self.fold_frames(shares.unflatten(0, maps.shape[:-2]))
