"""What an augmentation has drawn, read from the pixels that it made; and the same augmentation in float64.

An image whose channels hold its own coordinates comes out of flip, rotation and zoom as the map from each pixel to
where it was taken from. So whatever applied them, in whichever execution, can be asked what it drew, without a look
inside.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Draws:
    """Per image: flipped horizontally or not, bool (n,); angle in radians, (n,); zoom in height and in width, (n, 2).

    A zoom above 1 makes things smaller: an output pixel at distance d from the centre was taken from distance zoom · d.
    """

    flips: np.ndarray
    angles: np.ndarray
    zooms: np.ndarray


def coordinate_images(pixels: np.ndarray) -> np.ndarray:
    """float32 (n, size, size, 3): across, down (−½ to ½ between the image's edges), and `pixels`, (n, size, size)."""
    across, down = _coordinates(pixels.shape[1])
    return np.stack(np.broadcast_arrays(across, down, pixels), axis=-1).astype(np.float32)


def read_draws(seen: np.ndarray) -> Draws:
    """What was drawn for each of the marked images that came out as `seen`, (n, size, size, 3).

    Around the centre, where nothing was mirrored in, the coordinates are a linear map M = flip · rotation · diag(zoom)
    of where they are seen; least squares find it.
    """
    size = seen.shape[1]
    across, down = _coordinates(size)
    near = (np.abs(across) < 1 / 8) & (np.abs(down) < 1 / 8)
    places = np.stack([across[near], down[near], np.ones(near.sum())], axis=1)
    sources = seen[:, near, :2].astype(np.float64)
    maps = np.linalg.lstsq(places, sources.transpose(1, 0, 2).reshape(len(places), -1), rcond=None)[0]
    maps = maps[:2].reshape(2, len(seen), 2).transpose(1, 2, 0)  # (n, source axis, axis of the place)
    flips = np.linalg.det(maps) < 0
    maps[flips, 0] *= -1
    widths, heights = np.linalg.norm(maps[:, :, 0], axis=1), np.linalg.norm(maps[:, :, 1], axis=1)
    return Draws(flips, np.arctan2(maps[:, 1, 0], maps[:, 0, 0]), np.stack([heights, widths], axis=1))


def apply_draws(pixels: np.ndarray, draws: Draws) -> np.ndarray:
    """float64 (n, size, size): `pixels` flipped, then rotated, then zoomed about the centre.

    Rotation and zoom sample bilinearly, one after the other as two layers do; beyond its edge an image is mirrored, the
    edge pixel repeated.
    """
    centre = (pixels.shape[1] - 1) / 2
    found = []
    for image, flip, angle, zoom in zip(pixels, draws.flips, draws.angles, draws.zooms, strict=True):
        image = (image[:, ::-1] if flip else image).astype(np.float64)
        cos, sin = np.cos(angle), np.sin(angle)
        for down_across in (np.array([[cos, sin], [-sin, cos]]), np.diag(zoom)):
            offset = centre - down_across @ [centre, centre]
            image = ndimage.affine_transform(image, down_across, offset, order=1, mode="reflect")
        found.append(image)
    return np.stack(found)


def _coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 (size, size) each: across and down from the centre, in image widths."""
    steps = (np.arange(size) - (size - 1) / 2) / size
    return np.meshgrid(steps, steps)
