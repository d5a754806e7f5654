"""Draws the pictures of this project: `pip install pillow`, then `python draw.py`.

The one of this folder, which the README sends, and those that the page offers to try.
"""

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 320
# Drawn larger and scaled down, so that edges are smooth.
SCALE = 4
LARGE = (SIDE * SCALE, SIDE * SCALE)


def canvas(colour):
    image = Image.new("RGB", LARGE, colour)
    return image, ImageDraw.Draw(image)


def at(*places):
    """Places of the picture in pixels of the canvas."""
    return [SCALE * place for place in places]


def around(x, y, radius):
    return at(x - radius, y - radius, x + radius, y + radius)


def turned(x, y, radius, degrees):
    """The point at this distance and angle, clockwise from the right."""
    angle = math.radians(degrees)
    return x + radius * math.cos(angle), y + radius * math.sin(angle)


def traffic_light():
    """A traffic light at red, before the sky."""
    image, draw = canvas((150, 190, 230))
    draw.rectangle(at(152, 250, 168, SIDE), fill=(70, 70, 70))
    draw.rounded_rectangle(at(105, 20, 215, 255), radius=20 * SCALE, fill=(28, 32, 30))
    lamps = [(62, (250, 40, 30)), (137, (70, 60, 15)), (212, (15, 60, 30))]
    for y, colour in lamps:
        draw.ellipse(around(160, y, 32), fill=colour)
        # The visor above the lamp.
        draw.arc(at(120, y - 42, 200, y + 38), 180, 360, fill=(10, 10, 10), width=6 * SCALE)
    return image


def daisy():
    """A daisy in a meadow."""
    image, draw = canvas((70, 120, 60))
    for petal in range(18):
        layer = Image.new("RGBA", LARGE)
        outline = {"outline": (215, 215, 220, 255), "width": SCALE}
        ImageDraw.Draw(layer).ellipse(at(142, 26, 178, 150), fill=(250, 250, 248, 255), **outline)
        layer = layer.rotate(20 * petal, center=tuple(at(160, 160)))
        image.paste(layer, (0, 0), layer)
    draw.ellipse(around(160, 160, 42), fill=(245, 190, 30))
    chance = random.Random(1)
    for _ in range(300):
        angle, radius = chance.uniform(0, 6.28), 38 * math.sqrt(chance.random())
        x, y = 160 + radius * math.cos(angle), 160 + radius * math.sin(angle)
        draw.ellipse(around(x, y, 1.6), fill=(215, 140, 15))
    return image


def balloon():
    """A hot-air balloon in the sky."""
    image, draw = canvas((90, 150, 225))
    for y in range(LARGE[1]):
        part = y / LARGE[1]
        draw.line([0, y, LARGE[0], y], fill=(int(90 + 90 * part), int(150 + 60 * part), int(225 + 15 * part)))
    colours = [(220, 50, 40), (250, 190, 40), (40, 110, 190), (250, 240, 230), (60, 150, 80)]
    x, y = 160, 120
    for width, colour in zip([92, 74, 52, 28, 10], colours):
        draw.ellipse(at(x - width, y - 92, x + width, y + 92), fill=colour)
    # Below the middle the gores come together.
    for (top, bottom), colour in zip([(78, 20), (62, 16), (44, 11), (24, 6), (8, 2)], colours):
        sides = (x - top, y + 49, x + top, y + 49, x + bottom, y + 118, x - bottom, y + 118)
        draw.polygon(at(*sides), fill=colour)
    for side in (-1, 1):
        rope = at(x + 18 * side, y + 118, x + 13 * side, y + 145)
        draw.line(rope, fill=(60, 40, 30), width=2 * SCALE)
    draw.rounded_rectangle(at(x - 15, y + 143, x + 15, y + 167), radius=4 * SCALE, fill=(130, 85, 45))
    return image


def mug():
    """A mug of coffee on a table."""
    image, draw = canvas((215, 205, 195))
    blue = (40, 90, 160)
    draw.rectangle(at(0, 230, SIDE, SIDE), fill=(150, 110, 80))
    draw.ellipse(at(190, 120, 280, 220), outline=blue, width=18 * SCALE)
    draw.rectangle(at(80, 95, 220, 250), fill=blue)
    draw.ellipse(at(80, 230, 220, 270), fill=blue)
    draw.ellipse(at(80, 72, 220, 118), fill=(70, 120, 190))
    draw.ellipse(at(90, 78, 210, 112), fill=(60, 35, 20))
    return image


def ball():
    """A football on a lawn."""
    image, draw = canvas((70, 140, 60))
    for stripe in range(0, SIDE, 40):
        draw.rectangle(at(stripe, 0, stripe + 20, SIDE), fill=(78, 150, 66))
    leather, inside = canvas((245, 245, 245))
    seam = {"fill": (40, 40, 42), "width": 3 * SCALE}

    def patch(x, y, radius, start):
        corners = [turned(x, y, radius, start + 72 * corner) for corner in range(5)]
        inside.polygon([tuple(at(*corner)) for corner in corners], fill=(20, 20, 22))

    patch(160, 160, 40, -90)
    for corner in range(5):
        angle = -90 + 72 * corner
        outer = turned(160, 160, 75, angle)
        inside.line(at(*turned(160, 160, 40, angle), *outer), **seam)
        patch(*turned(160, 160, 112, angle + 36), 34, angle + 36 + 216)
        for side in (-36, 36):
            inside.line(at(*outer, *turned(160, 160, 84, angle + side)), **seam)
        inside.line(at(*outer, *turned(160, 160, 125, angle)), **seam)
    mask = Image.new("L", LARGE)
    ImageDraw.Draw(mask).ellipse(around(160, 160, 120), fill=255)
    image.paste(leather, (0, 0), mask)
    draw.ellipse(around(160, 160, 120), outline=(120, 120, 120), width=3 * SCALE)
    return image


def umbrella():
    """An open umbrella."""
    sky, wood = (200, 215, 225), (60, 40, 30)
    image, draw = canvas(sky)
    draw.pieslice(at(30, 60, 290, 320), 180, 360, fill=(200, 40, 50))
    for left in range(30, 290, 65):
        draw.ellipse(at(left, 175, left + 65, 208), fill=sky)
    for half in (0, 65):
        draw.arc(at(160 - half, 60, 160 + half, 320), 180, 360, fill=(150, 20, 35), width=3 * SCALE)
    draw.line(at(160, 46, 160, 290), fill=wood, width=5 * SCALE)
    draw.arc(at(125, 265, 163, 305), 0, 180, fill=wood, width=6 * SCALE)
    return image


def small(image):
    return image.resize((SIDE, SIDE), Image.LANCZOS)


if __name__ == "__main__":
    folder = Path(__file__).parent
    small(traffic_light()).save(folder / "traffic_light.png", optimize=True)
    samples = {
        "light": traffic_light,
        "daisy": daisy,
        "balloon": balloon,
        "mug": mug,
        "ball": ball,
        "umbrella": umbrella,
    }
    for name, drawn in samples.items():
        path = folder.parents[1] / "ui" / f"sample-{name}.jpg"
        small(drawn()).save(path, quality=80, optimize=True)
