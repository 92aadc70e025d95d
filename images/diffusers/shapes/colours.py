"""The eight named colours: corners of the RGB cube, so that no two are alike."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (16, 16, 16),
    "white": (240, 240, 240),
    "red": (224, 24, 32),
    "green": (16, 168, 48),
    "blue": (32, 56, 224),
    "yellow": (248, 220, 24),
    "purple": (176, 32, 200),
    "cyan": (24, 208, 224),
}
NAMES = tuple(COLOURS)
