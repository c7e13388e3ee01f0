"""Draw the brand images of the integration: a bolt on a flat-topped peak."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

BRAND = Path(__file__).parents[1] / "custom_components" / "flatpeak" / "brand"
TEAL = "#0f7f8c"
AMBER = "#ffc531"
WHITE = "#ffffff"

# Corners on a square from 0 to 1.
PEAK = ((0.06, 0.80), (0.24, 0.36), (0.76, 0.36), (0.94, 0.80))
BOLT = (
    (0.58, 0.12),
    (0.30, 0.56),
    (0.47, 0.56),
    (0.41, 0.89),
    (0.70, 0.45),
    (0.53, 0.45),
)
OVERSAMPLING = 8  # Pillow's polygons have hard edges; scaling down smooths them.

type Points = tuple[tuple[float, float], ...]


def _scaled(points: Points, size: int) -> list[tuple[float, float]]:
    """Return the points in pixels of a square of this size."""
    return [(x * size, y * size) for x, y in points]


def draw_icon(size: int) -> Image.Image:
    """Return the square icon, transparent outside its rounded corners."""
    big = size * OVERSAMPLING
    image = Image.new("RGBA", (big, big))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, big - 1, big - 1), radius=big * 0.2, fill=TEAL)
    draw.polygon(_scaled(PEAK, big), fill=WHITE)
    bolt = _scaled(BOLT, big)
    # A rim in the colour of the ground keeps bolt and peak apart at 24 pixels.
    draw.line([*bolt, *bolt[:2]], fill=TEAL, width=round(big * 0.07), joint="curve")
    draw.polygon(bolt, fill=AMBER)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def draw_logo(height: int) -> Image.Image:
    """Return the icon with the name beside it, readable on light and on dark."""
    text = "FlatPeak"
    font = ImageFont.load_default(size=height * 0.62)
    width = round(font.getlength(text))
    gap = height // 6
    image = Image.new("RGBA", (height + gap + width, height))
    image.paste(draw_icon(height))
    ImageDraw.Draw(image).text(
        (height + gap, height / 2), text, font=font, fill=TEAL, anchor="lm"
    )
    return image


def main() -> None:
    """Write every image."""
    BRAND.mkdir(exist_ok=True)
    draw_icon(256).save(BRAND / "icon.png", optimize=True)
    draw_icon(512).save(BRAND / "icon@2x.png", optimize=True)
    draw_logo(192).save(BRAND / "logo.png", optimize=True)


if __name__ == "__main__":
    main()
