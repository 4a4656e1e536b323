"""Where decoding may begin, so that a part of a long clip comes without all that lies before it.

A picture is found by its time stamp. That is only sure where each packet is one picture with a
stamp of its own, and where key frames divide the stamps in order; else all of it is decoded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import av

# One packet, one picture, and a key frame that needs nothing before it. VP8 has packets that show
# nothing, a GIF's pictures are what changes.
ONE_BY_ONE = {
    "h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vp9", "libvpx-vp9", "av1", "libdav1d",
    "mjpeg", "prores", "dnxhd", "ffv1", "huffyuv", "ffvhuff", "rawvideo", "png",
}  # fmt: skip
_MARGIN = 4  # pictures before the first one wanted: joining fields looks at its neighbours


@dataclass(frozen=True)
class Entry:
    """Decoding begins at the packet with stamp `key`; picture number `index` has `stamp`.

    target: the stamp to seek to, by time of decoding where that is known. before: the stamps of all
    packets up to the key frame.
    """

    key: int
    target: int
    stamp: int
    index: int
    before: frozenset[int]


@dataclass
class Packets:
    """The stamps of a stream's packets in the order of decoding, and which are key frames."""

    stamps: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    complete: bool = True

    def add(self, packet: av.Packet) -> None:
        """Note one packet."""
        if packet.pts is None or packet.size == 0 or packet.is_discard:
            self.complete = False
            return
        if packet.is_keyframe:
            self.keys.append(len(self.stamps))
            self.targets.append(packet.pts if packet.dts is None else packet.dts)
        self.stamps.append(packet.pts)

    def entry(self, first: int, codec: str) -> Entry | None:
        """Return where to begin for the picture number `first`; None: at the start."""
        if not self.complete or codec not in ONE_BY_ONE or not 0 < first < len(self.stamps):
            return None
        shown = sorted(self.stamps)
        if len(set(shown)) < len(shown) or not self._in_order():
            return None
        index = max(0, first - _MARGIN)
        stamp = shown[index]
        number = bisect_right([self.stamps[key] for key in self.keys], stamp) - 1
        if number <= 0:
            return None
        position = self.keys[number]
        key, before = self.stamps[position], frozenset(self.stamps[:position])
        return Entry(key, self.targets[number], stamp, index, before)

    def _in_order(self) -> bool:
        """Return whether what comes before a key frame is shown before it, key frame by key frame.

        Pictures after a key frame may be shown before it (an open group), but not before the
        one before.
        """
        highest, previous = None, None
        starts = [*self.keys, len(self.stamps)]
        for start, end in zip(starts, starts[1:]):
            part = self.stamps[start:end]
            if highest is not None and highest >= part[0]:
                return False
            if previous is not None and min(part) <= previous:
                return False
            previous, highest = part[0], max(part)
        return not self.keys or self.keys[0] == 0


class SeekError(Exception):
    """The place was not found; decoding begins at the start."""


def packets_from(
    container: av.container.InputContainer, stream: av.VideoStream, entry: Entry
) -> Iterator[av.Packet]:
    """Yield the packets from the key frame on; raises SeekError where it is not found."""
    try:
        container.seek(entry.target, stream=stream, backward=True)
        packets = container.demux(stream)
        for packet in packets:
            if packet.pts == entry.key and packet.is_keyframe:
                yield packet
                break
            # A reader that starts within a packet may give one without a stamp.
            if packet.pts is not None and packet.pts not in entry.before:
                raise SeekError
        else:
            raise SeekError
    except (av.error.FFmpegError, OSError, EOFError) as error:
        raise SeekError from error
    yield from packets
