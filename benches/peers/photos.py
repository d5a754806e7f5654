"""From a photo to the network's input, as the weights were trained, with the fastest packages for it."""

import cv2
import numpy as np
import simplejpeg

MEAN = np.array([104.0, 117.0, 123.0], dtype=np.float32)


def to_input(jpeg: bytes) -> np.ndarray:
    """f32 `[1, 3, 224, 224]`: BGR minus the mean, the centre of 256x256."""
    pixels = simplejpeg.decode_jpeg(jpeg, "BGR")
    pixels = cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_LINEAR)[16:240, 16:240]
    return np.ascontiguousarray((pixels - MEAN).transpose(2, 0, 1))[None]


def jpegs(folder) -> list[bytes]:
    """The baseline JPEGs in colour of a folder, by name."""
    files = sorted(folder.glob("*.JPEG"))
    return [data for data in (file.read_bytes() for file in files) if is_rgb_jpeg(data)]


def is_rgb_jpeg(data: bytes) -> bool:
    try:
        return simplejpeg.decode_jpeg_header(data)[2] == "YCbCr"
    except ValueError:
        return False
