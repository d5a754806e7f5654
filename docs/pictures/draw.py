"""Draws the pictures of this folder: `pip install pillow`, then `python draw.py`."""

from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 320
# Drawn larger and scaled down, so that edges are smooth.
SCALE = 4


def traffic_light():
    """A traffic light at red, before the sky."""
    image = Image.new("RGB", (SIDE * SCALE,) * 2, (150, 190, 230))
    draw = ImageDraw.Draw(image)

    def box(left, top, right, bottom):
        return [SCALE * place for place in (left, top, right, bottom)]

    draw.rectangle(box(152, 250, 168, SIDE), fill=(70, 70, 70))
    draw.rounded_rectangle(box(105, 20, 215, 255), radius=20 * SCALE, fill=(28, 32, 30))
    lamps = [(62, (250, 40, 30)), (137, (70, 60, 15)), (212, (15, 60, 30))]
    for y, colour in lamps:
        draw.ellipse(box(128, y - 32, 192, y + 32), fill=colour)
        # The visor above the lamp.
        draw.arc(box(120, y - 42, 200, y + 38), 180, 360, fill=(10, 10, 10), width=6 * SCALE)
    return image.resize((SIDE, SIDE), Image.LANCZOS)


if __name__ == "__main__":
    folder = Path(__file__).parent
    traffic_light().save(folder / "traffic_light.png", optimize=True)
