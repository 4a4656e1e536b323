"""The rate of a clip from its time stamps, for headers are often wrong about it.

Every picture of a file comes once, in order. Stamps only tell how fast they follow each other:
copies for a pause, or pictures left out where stamps crowd, would change the motion.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from .gif_blocks import gif_fault
from .seeking import Packets

MAX_PACKETS = 200_000  # almost two hours at 30 frames a second; beyond, the rest is like these
_PAUSE = 2.5  # times the typical distance: longer ones are pauses, shorter parts of it crowd
_AGREE = 0.02  # a header this near to the stamps is right, and exact where they are rounded
_USUAL_RATE = Fraction(25)
MOST_RATE = 1000  # pictures a second: what has more was never meant to be shown at that rate


@dataclass(frozen=True)
class Timing:
    """How the pictures of a file follow each other.

    rate: pictures per second. n_packets: how many coded pictures there are. even: whether the
    stamps are those of this rate. note: what is uneven about them, or "". last: the stamp of the
    last picture in seconds, None where there are no stamps.
    """

    rate: Fraction
    n_packets: int
    even: bool = True
    note: str = ""
    last: float | None = None


def timing(
    container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[Timing, Packets]:
    """Read through the stream's packets, without decoding one, and return their timing."""
    stamps: list[int] = []
    seen = Packets()
    n_packets, n_missing = 0, 0
    try:
        for packet in islice(container.demux(stream), MAX_PACKETS):
            if packet.size == 0 and packet.dts is None:  # not a picture: the end
                continue
            seen.add(packet)
            if packet.is_discard:  # an edit list cuts it off: it is decoded and not shown
                continue
            n_packets += 1
            stamps += [] if packet.pts is None else [packet.pts]
            n_missing += packet.pts is None
    except (av.error.FFmpegError, OSError, EOFError):
        seen.complete = False  # decoding will meet the damage too, and tell it
    unit = stream.time_base or Fraction(1)
    return timing_of(stamps, unit, n_packets, n_missing, _rates(stream)), seen


def missing_part(
    container: av.container.InputContainer, stream: av.VideoStream, timing: Timing, path: Path
) -> str:
    """Return a sentence where the header promises more than there is, or "".

    Seen in matroska and webm, by their duration, in avi, by the number of bytes, and in gif, whose
    blocks must follow each other up to its end.
    """
    if (
        container.format.name == "avi"
        and (lacks := _promised_bytes(path) - path.stat().st_size) > 0
    ):
        return f"its last {lacks} bytes are missing: it was cut off"
    if container.format.name == "gif":
        return gif_fault(path)
    if "matroska" not in container.format.name or timing.last is None:
        return ""
    told = _seconds(stream.metadata.get("DURATION", ""))
    if told is None and len(container.streams) == 1 and container.duration:
        told = container.duration / av.time_base
    ends = timing.last + 1 / float(timing.rate)
    if told is None or told - ends < max(0.02 * told, 3 / float(timing.rate)):
        return ""
    return f"it ends at {ends:.4g} of {told:.4g} s: it was cut off"


def _promised_bytes(path: Path) -> int:
    """Return how long a RIFF file says to be; 0 where its writer was stopped before it could."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8)[4:], "little")
    return 0 if size >= 2**32 - 1 else size + 8


def _seconds(clock: str) -> float | None:
    """Return the seconds of "00:01:02.5", or None."""
    try:
        hours, minutes, seconds = (float(part) for part in clock.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _rates(stream: av.VideoStream) -> list[Fraction]:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [Fraction(rate) for rate in rates if rate and rate > 0]


def timing_of(
    stamps: Sequence[int],
    unit: Fraction,
    n_packets: int,
    n_missing: int = 0,
    told: Sequence[Fraction] = (),
) -> Timing:
    """Return the timing of pictures from their stamps, in any order, and the rates of a header."""
    ordered = sorted(set(stamps))
    distances = [after - before for before, after in zip(ordered, ordered[1:])]
    if not distances:
        return _possible(Timing(told[0] if told else _USUAL_RATE, n_packets))
    typical = statistics.median_low(distances)
    near = [d for d in distances if typical / _PAUSE <= d <= _PAUSE * typical]
    rate = 1 / (unit * Fraction(sum(near), len(near)))
    told = [header for header in told if abs(header / rate - 1) < _AGREE]
    rate = told[0] if told else rate.limit_denominator(1001) or rate
    repeated = len(stamps) - len(ordered)
    note = _note(distances, unit, rate, repeated)
    even = not note and not n_missing
    return _possible(Timing(rate, n_packets, even, note, float(ordered[-1] * unit)))


def _possible(timing: Timing) -> Timing:
    """Return the timing, at the usual rate where its own is none that is ever shown."""
    if timing.rate <= MOST_RATE:
        return timing
    note = (
        f"it says to have {float(timing.rate):.4g} pictures a second, which nothing shows: each "
        f"picture is taken once, at {_USUAL_RATE} a second"
    )
    return replace(timing, rate=_USUAL_RATE, even=False, note=note)


def _note(distances: Sequence[int], unit: Fraction, rate: Fraction, repeated: int) -> str:
    shortest, longest = (float(end * unit) for end in (min(distances), max(distances)))
    told = f"each picture is taken once, at {float(rate):.4g} a second"
    if repeated:
        return f"its time stamps do not increase ({repeated} come twice): {told}"
    if longest * float(rate) > _PAUSE or shortest * float(rate) < 1 / _PAUSE:
        gap = f"pictures stand {shortest:.3g} to {longest:.4g} s"
        return f"its time stamps are uneven ({gap}): {told}"
    return ""
