"""One decoded frame as a picture: upright, in the colours of a screen, over one background."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy
import torch
from av.sidedata.sidedata import SideDataContainer

from .findings import Findings
from .high_range import HIGH_RANGE, WIDE_PRIMARIES, to_standard

# 4:2:0 halves the colour planes; the default, nearest colour, costs small pictures 4 dB more. The
# numbers are swscale's: PyAV 17 takes them and has no names for the last three.
_LANCZOS, _ACCURATE_RND, _FULL_CHR_H_INT, _FULL_CHR_H_INP = 0x200, 0x40000, 0x2000, 0x4000
CHROMA = _LANCZOS | _ACCURATE_RND | _FULL_CHR_H_INT | _FULL_CHR_H_INP
BT709, UNSPECIFIED = 1, 2  # code points of H.273
_HD_WIDTH, _HD_HEIGHT = 1280, 577  # from here on players take untagged colours for BT.709
_OTHER_MATRICES = {8: "YCgCo", 14: "ICtCp", 15: "IPT-PQ-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro"}
_XYZ = 10  # primaries of H.273
_DOLBY_VISION = {"DOVI_RPU_BUFFER", "DOVI_METADATA"}
_WIDEST_PIXEL = 8  # times as wide as high: what lies beyond is no shape but a mistake


def picture(
    frame: av.VideoFrame, path: Path, findings: Findings, *, coarse: bool = False
) -> torch.Tensor:
    """Return a frame as (3, H, W), float32 in [0, 1], upright, as it is stored in size.

    Transparent parts lie over white. High dynamic range and wide colours become those of an
    ordinary screen. `coarse` is for a picture that will shrink much: its colour planes are then
    enlarged twenty times as fast, by their nearest pixel. Raises ValueError for a picture that is
    turned by other than quarters, or whose colours are coded in a way that is not known.
    """
    _refuse_other_colours(frame, path)
    try:
        colours = _colours(frame, findings, {} if coarse else {"interpolation": CHROMA})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ValueError(
            f"{path} has colours that are coded in a way that is not known here "
            f"({frame.format.name}, matrix {int(frame.colorspace)}). Convert it to mp4 (H.264)."
        ) from error
    return _upright(colours, frame, path)


def _refuse_other_colours(frame: av.VideoFrame, path: Path) -> None:
    """Raise ValueError for what FFmpeg would decode and show in colours that are not meant."""
    matrix, beside = int(frame.colorspace), _side_data(frame) or {}
    # Asked by name: to go through it gives the data before PyAV 19, and their names since.
    is_dolby = any(beside.get(name) is not None for name in _DOLBY_VISION)
    if frame.color_trc == UNSPECIFIED and is_dolby:
        kind = "Dolby Vision without a picture for ordinary screens (profile 5)"
    elif matrix in _OTHER_MATRICES or frame.color_primaries == _XYZ:
        kind = _OTHER_MATRICES.get(matrix, "XYZ, as in a cinema")
    else:
        return
    raise ValueError(
        f"{path} has colours that are coded in a way that is not known here ({kind}). Convert it "
        "to mp4 (H.264) with the app or camera that made it."
    )


def turned(frame: av.VideoFrame, path: Path) -> bool:
    """Return whether the frame's rows are shown as columns."""
    return _turn(frame, path)[0]


def pixel_shape(told: Fraction | None, frame: av.VideoFrame, path: Path) -> Fraction:
    """Return how wide a pixel of the upright picture is shown, as a multiple of its height.

    told: that of the picture as it is stored. Raises ValueError for a pixel more than eight times
    as long as wide.
    """
    shape = Fraction(told or 1)
    if shape <= 0:
        return Fraction(1)
    if not Fraction(1, _WIDEST_PIXEL) <= shape <= _WIDEST_PIXEL:
        raise ValueError(f"{path} has pixels of the shape {shape}; wanted 1/8 to 8. Convert it.")
    return 1 / shape if turned(frame, path) else shape


def _colours(frame: av.VideoFrame, findings: Findings, options: dict[str, object]) -> torch.Tensor:
    is_hd = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
    if frame.colorspace == UNSPECIFIED and is_hd and not frame.format.is_rgb:
        options["src_colorspace"] = "ITU709"
    transfer, primaries = frame.color_trc, frame.color_primaries
    clear = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    if needs_mapping(transfer, primaries):
        pixels = frame.to_ndarray(format="rgba64le" if clear else "rgb48le", **options)
        mapped = mapped_colours(planes(pixels[..., :3], 65535), transfer, primaries, findings)
        return over_white(mapped, pixels[..., 3], findings) if clear else mapped
    if clear:
        pixels = frame.to_ndarray(format="rgba", **options)
        return over_white(planes(pixels[..., :3], 255), pixels[..., 3], findings)
    return planes(frame.to_ndarray(format="rgb24", **options), 255)


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Return whether colours of these code points of H.273 reach beyond an ordinary screen."""
    return transfer in HIGH_RANGE or primaries in WIDE_PRIMARIES


def mapped_colours(
    colours: torch.Tensor, transfer: int, primaries: int, findings: Findings
) -> torch.Tensor:
    """Return colours (3, H, W) in [0, 1] as an ordinary screen shows them, and note it."""
    kind = HIGH_RANGE.get(transfer) or WIDE_PRIMARIES[primaries]
    findings.mapped = f"{kind} is mapped to the range and colours of an ordinary screen"
    return to_standard(colours, transfer, primaries)


def over_white(colours: torch.Tensor, alpha: numpy.ndarray, findings: Findings) -> torch.Tensor:
    """Return colours (3, H, W) over white; note if any shines through.

    alpha: (H, W), whole numbers from 0, clear, to the largest of their dtype.
    """
    largest = numpy.iinfo(alpha.dtype).max
    if int(alpha.min()) == largest:
        return colours
    findings.transparent = True
    opacity = torch.from_numpy(alpha.astype(numpy.float32)).div_(largest)
    return colours * opacity + (1 - opacity)


def planes(pixels: numpy.ndarray, largest: int) -> torch.Tensor:
    """Return whole numbers (H, W, 3) up to `largest` as (3, H, W), float32 in [0, 1]."""
    whole = pixels if pixels.dtype == numpy.uint8 else pixels.astype(numpy.float32)
    # First to floats and then the axes: the other order is ten times as slow.
    return torch.from_numpy(whole).float().div_(largest).permute(2, 0, 1)


def _upright(colours: torch.Tensor, frame: av.VideoFrame, path: Path) -> torch.Tensor:
    """Turn and mirror a picture as its display matrix says: phones store what the sensor sees."""
    swapped, right_to_left, bottom_to_top = _turn(frame, path)
    colours = colours.mT if swapped else colours
    mirrored = [axis for axis, flip in ((2, right_to_left), (1, bottom_to_top)) if flip]
    return colours.flip(mirrored) if mirrored else colours


def _side_data(frame: av.VideoFrame) -> SideDataContainer | None:
    """Return what comes with a frame; None where PyAV does not know a part of it, such as Exif.

    `frame.side_data` would hold the frame and be held by it: frames of 1080p would then lie about
    until Python looks for circles, 500 MiB of them in 300 frames.
    """
    try:
        return SideDataContainer(frame)
    except ValueError:
        return None


def _turn(frame: av.VideoFrame, path: Path) -> tuple[bool, bool, bool]:
    """Return whether rows become columns, and then whether x and y run backwards."""
    beside = _side_data(frame)
    if beside is None:  # mirrors are not told then, quarters are
        quarter = frame.rotation % 360
        return quarter in (90, 270), quarter in (180, 270), quarter in (90, 180)
    data = beside.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    # A stored point (x, y) is shown at (a x + c y, b x + d y), up to a shift.
    a, b, _, c, d = (int(number) for number in numpy.frombuffer(bytes(data), "<i4")[:5])
    if a and d and not (b or c):
        return False, a < 0, d < 0
    if b and c and not (a or d):
        return True, c < 0, b < 0
    if not (a or b or c or d):  # players pass over an empty matrix
        return False, False, False
    raise ValueError(
        f"{path} is turned by an angle that is no quarter; wanted 0, 90, 180 or 270 degrees. "
        "Convert it, so that its pictures are stored upright."
    )
