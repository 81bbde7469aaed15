"""Reads the random draws of an augmentation from its output, and applies the same draws in float64.

If the channels of an image hold its coordinates, then after flip, rotation and zoom they say where each pixel was taken
from. So augmentation is checked from outside, whatever code performs it and in any execution mode.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Draws:
    """The draws for n images: horizontal flip, bool (n,); angle, radians (n,); zoom in height and width, (n, 2).

    A zoom above 1 shrinks the image: an output pixel at distance d from the centre was taken from distance zoom · d.
    """

    flips: np.ndarray
    angles: np.ndarray
    zooms: np.ndarray


def coordinate_images(pixels: np.ndarray) -> np.ndarray:
    """float32 (n, size, size, 3): x and y, each from −½ to ½ between the edges, and `pixels` (n, size, size)."""
    across, down = _coordinates(pixels.shape[1])
    return np.stack(np.broadcast_arrays(across, down, pixels), axis=-1).astype(np.float32)


def read_draws(augmented: np.ndarray) -> Draws:
    """The draws that turned coordinate images into `augmented`, (n, size, size, 3).

    Near the centre no pixel comes from beyond an edge. There the coordinates are a linear map
    M = flip · rotation · diag(zoom) of the position where they appear, which is fitted by least squares.
    """
    size = augmented.shape[1]
    across, down = _coordinates(size)
    central = (np.abs(across) < 1 / 8) & (np.abs(down) < 1 / 8)
    places = np.stack([across[central], down[central], np.ones(central.sum())], axis=1)
    sources = augmented[:, central, :2].astype(np.float64)
    maps = np.linalg.lstsq(places, sources.transpose(1, 0, 2).reshape(len(places), -1), rcond=None)[0]
    maps = maps[:2].reshape(2, len(augmented), 2).transpose(1, 2, 0)  # (n, axis of the source, axis of the place)
    flips = np.linalg.det(maps) < 0
    maps[flips, 0] *= -1
    widths, heights = np.linalg.norm(maps[:, :, 0], axis=1), np.linalg.norm(maps[:, :, 1], axis=1)
    return Draws(flips, np.arctan2(maps[:, 1, 0], maps[:, 0, 0]), np.stack([heights, widths], axis=1))


def apply_draws(pixels: np.ndarray, draws: Draws) -> np.ndarray:
    """float64 (n, size, size): `pixels` flipped, then rotated, then zoomed about the centre.

    Rotation and zoom sample bilinearly, one after the other, as two layers do. Beyond its edge an image is reflected,
    with the edge pixel repeated.
    """
    centre = (pixels.shape[1] - 1) / 2
    augmented = []
    for image, flip, angle, zoom in zip(pixels, draws.flips, draws.angles, draws.zooms, strict=True):
        image = (image[:, ::-1] if flip else image).astype(np.float64)
        cos, sin = np.cos(angle), np.sin(angle)
        for down_across in (np.array([[cos, sin], [-sin, cos]]), np.diag(zoom)):
            offset = centre - down_across @ [centre, centre]
            image = ndimage.affine_transform(image, down_across, offset, order=1, mode="reflect")
        augmented.append(image)
    return np.stack(augmented)


def _coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 (size, size) each: x and y of the pixel centres, relative to the centre, in image widths."""
    steps = (np.arange(size) - (size - 1) / 2) / size
    return np.meshgrid(steps, steps)
