"""Pictures drawn with whole numbers: the same bytes on every machine, and each unlike the others."""

import numpy as np

# torchvision's usual normalisation, for bytes: f32, in this order, without a fused multiply-add.
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
SCALE = np.array([0.0171248, 0.0175070, 0.0174292], np.float32)


def picture(number, side):
    """RGB bytes, [side, side, 3]. The number picks the pattern, its colours and its period."""
    y, x = np.mgrid[0:side, 0:side].astype(np.int64)
    turn = number // 8
    period = max(4, side // (3 + (number * 5 + turn) % 5))
    dark = np.array([(number * 67 + c * 91 + turn * 29) % 120 for c in range(3)])
    bright = np.array([255 - (number * 41 + c * 53 + turn * 37) % 110 for c in range(3)])
    middle = side // 2 + turn
    pattern = [
        lambda: (x + 2 * y) * 255 // (3 * side),
        lambda: (x // period % 2) * 255,
        lambda: ((x - middle) ** 2 + (y - middle) ** 2 < (side // 3) ** 2) * 255,
        lambda: (x * 7919 + y * 104_729 + x * y * 613 + number * 31) % 2003 * 255 // 2002,
        lambda: ((x // period + y // period) % 2) * 255,
        lambda: ((x - middle) ** 2 + (y - middle) ** 2) // period % 256,
        lambda: ((abs(x - middle) < side // 5) & (abs(y - middle) < side // 4)) * 255,
        lambda: abs((x + y * 3) % (2 * period) - period) * 255 // period,
    ][number % 8]()
    mixed = dark + (bright - dark) * pattern[..., None] // 255
    # A slope from corner to corner, another one in each channel.
    slope = np.stack([x * (c + 1) + y * (3 - c) for c in range(3)], -1) * 24 // (4 * side)
    return np.clip(mixed + slope - 12, 0, 255).astype(np.uint8)


def pictures(numbers, side):
    return np.stack([picture(number, side) for number in numbers])


def normalised(pixels, mean=MEAN, scale=SCALE):
    """[n, side, side, 3] of bytes as [n, 3, side, side] of f32: (byte - mean) * scale."""
    values = (pixels.astype(np.float32) - mean) * scale
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def tensorflow(pixels):
    """[n, side, side, 3] of f32 in -1..1, as TensorFlow's Inception takes them."""
    return (pixels.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 127.5)
