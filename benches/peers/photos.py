"""From a photo to the network's input, as the weights were trained, with the fastest packages for it."""

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

MEAN = np.array([104.0, 117.0, 123.0], dtype=np.float32)


def crop(jpeg: bytes) -> np.ndarray:
    """u8 `[224, 224, 3]`: BGR, the centre of 256x256."""
    pixels = simplejpeg.decode_jpeg(jpeg, "BGR")
    return cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_LINEAR)[16:240, 16:240]


def to_input(jpeg: bytes) -> np.ndarray:
    """f32 `[1, 3, 224, 224]`: the crop minus the mean."""
    return np.ascontiguousarray((crop(jpeg) - MEAN).transpose(2, 0, 1))[None]


def write_crops(folder: Path, into: Path):
    """For tools that read image files; PNG, which changes no pixel."""
    into.mkdir(parents=True, exist_ok=True)
    for number, jpeg in enumerate(jpegs(folder)):
        cv2.imwrite(str(into / f"{number:03}.png"), crop(jpeg))


def jpegs(folder: Path) -> list[bytes]:
    """The baseline JPEGs in colour of a folder, by name."""
    files = sorted(folder.glob("*.JPEG"))
    return [data for data in (file.read_bytes() for file in files) if is_rgb_jpeg(data)]


def is_rgb_jpeg(data: bytes) -> bool:
    try:
        return simplejpeg.decode_jpeg_header(data)[2] == "YCbCr"
    except ValueError:
        return False
