"""Images that are as large as a small replica may be sent: in pixels, in bytes, in each form."""

import base64
import io
import random

from PIL import Image

Image.MAX_IMAGE_PIXELS = None
LARGEST_BODY = 20_971_520


def encoded(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))


def multipart(image: bytes) -> tuple[str, bytes]:
    head = b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return "multipart/form-data; boundary=edge", head + image + b"\r\n--edge--\r\n"


def bodies() -> list[tuple[str, str, bytes]]:
    """What it is, its Content-Type, the body."""
    ramp = Image.linear_gradient("L").convert("RGB")
    raw = "application/octet-stream"
    # 19.5 MB of BMP, and its base64 of as many characters as a body may have.
    bmp, small_bmp = encoded(ramp.resize((2600, 2500)), format="BMP"), encoded(ramp.resize((2600, 2000)), format="BMP")
    json = b'{"image":"' + base64.b64encode(small_bmp) + b'"}'
    images = [
        ("JPEG of 4 megapixels", raw, encoded(ramp.resize((2400, 1600)), format="JPEG", subsampling=0)),
        ("JPEG of 12 megapixels", raw, encoded(ramp.resize((4000, 3000)), format="JPEG", subsampling=0)),
        ("JPEG of 28 megapixels", raw, encoded(ramp.resize((7000, 4000)), format="JPEG", subsampling=0)),
        ("progressive JPEG", raw, encoded(ramp.resize((2400, 1600)), format="JPEG", progressive=True, subsampling=0)),
        ("JPEG of noise", raw, encoded(noise(3200, 2400), format="JPEG", quality=90, subsampling=0)),
        ("PNG of 5 megapixels", raw, encoded(ramp.resize((2600, 2000)), format="PNG", compress_level=1)),
        ("PNG of 28 megapixels", raw, encoded(ramp.resize((7000, 4000)), format="PNG", compress_level=1)),
        ("PNG of noise", raw, encoded(noise(2600, 2500), format="PNG", compress_level=1)),
        ("lossless WebP", raw, encoded(ramp.resize((1400, 1400)), format="WEBP", lossless=True, quality=0, method=0)),
        ("TIFF", raw, encoded(ramp.resize((2200, 1500)), format="TIFF")),
        ("BMP", raw, bmp),
        ("BMP in a form", *multipart(bmp)),
        ("BMP in JSON", "application/json", json),
    ]
    # Nothing to classify, but much to read.
    head = b'{"image":"aGk=","top_k":['
    images.append(("JSON of 10 million numbers", "application/json", head + b"0," * 10_000_000 + b"0]}"))
    images.append(("JSON of 6 million images", "application/json", b'{"images":[' + b'"",' * 6_000_000 + b'""]}'))
    too_large = [what for what, _, body in images if len(body) > LARGEST_BODY]
    assert not too_large, too_large
    return images
