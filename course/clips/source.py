"""Any clip as one kind of thing: its timing, its frames one after the other, its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

import av
import torch

from .animated import Animation, is_animated
from .decoding import decoded, deinterlaced
from .findings import Findings
from .naming import is_encrypted
from .opening import check_whole, decoder, opened, video_stream
from .picture import picture, pixel_shape
from .seeking import ONE_BY_ONE, Entry, SeekError
from .stamps import Timing, missing_part, timing


class Source(Protocol):
    """What reading needs: `frames` are cheap, `picture` turns one into (3, H, W)."""

    timing: Timing
    caption: str
    sound: str
    pixel_shape: Fraction

    def frames(self, first: int = 0) -> Iterator[object]: ...
    def picture(self, frame: object, *, coarse: bool = False) -> torch.Tensor: ...


class Video:
    """A file that PyAV reads; see `Source`.

    It is opened twice: going back to the first packet works in some kinds of file only.
    """

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path, self.findings = path, findings
        self.pixel_shape = Fraction(1)
        with opened(path) as container:
            stream = video_stream(container, path)
            self._codec = stream.codec_context.name
            self.timing, self._stamps = timing(container, stream)
            check_whole(container, stream, path)
            findings.timing = self.timing.note
            findings.missing = missing_part(container, stream, self.timing, path)
            self.caption = container.metadata.get("description", "")
            self.sound = sound_of(container)

    def frames(self, first: int = 0) -> Iterator[av.VideoFrame]:
        """Yield the frames in the order of showing, from number `first` on.

        Raises ValueError where few can be decoded.
        """
        entry = self._stamps.entry(first, self._codec)
        if entry is not None:
            frames = self._decoded(entry)
            with suppress(SeekError, StopIteration):
                for _ in range(first - entry.index):
                    next(frames)
                yield next(frames)  # from here on nothing raises SeekError
                yield from frames
                return
            self.findings.forget_damage()
        yield from islice(self._decoded(None), first, None)

    def _decoded(self, entry: Entry | None) -> Iterator[av.VideoFrame]:
        found, n_frames = self.findings, 0
        with opened(self.path) as container:
            stream = video_stream(container, self.path)
            context, told = decoder(stream), stream.sample_aspect_ratio
            # A recording of television may go from 4:3 to 16:9. Which frame is the first of the new
            # shape is not known: the decoder is a few ahead.
            in_pictures = told == context.sample_aspect_ratio
            frames = decoded(container, stream, context, found, entry)
            try:
                for frame in deinterlaced(frames, found):
                    n_frames += 1
                    self.pixel_shape = pixel_shape(told, frame, self.path)
                    found.reshaped |= in_pictures and context.sample_aspect_ratio != told
                    yield frame
                if entry is None:
                    self._count(n_frames)
            except (av.error.FFmpegError, OSError, EOFError) as error:
                raise self._unreadable(getattr(error, "strerror", None) or str(error)) from error
        if len(found.undecoded) > n_frames:
            raise self._unreadable(f"{len(found.undecoded)} pieces of it could not be decoded")

    def _count(self, n_frames: int) -> None:
        """Note where fewer pictures came out than went in, each in a packet of its own."""
        lost = self.timing.n_packets - n_frames - len(self.findings.undecoded)
        if self._codec in ONE_BY_ONE and self._stamps.complete and lost > 0:
            self.findings.missing = (
                f"{lost} of its {self.timing.n_packets} pictures did not come out of the decoder"
            )

    def _unreadable(self, reason: str) -> ValueError:
        if is_encrypted(self.path):
            return ValueError(f"{self.path} is encrypted; wanted a clip that plays without a key.")
        return ValueError(
            f"{self.path} cannot be read as a video ({reason}): it is damaged or was cut off. "
            "Copy it again, or convert it to mp4."
        )

    def picture(self, frame: av.VideoFrame, *, coarse: bool = False) -> torch.Tensor:
        """Return a frame as (3, H, W) in [0, 1], upright, as stored in size."""
        return picture(frame, self.path, self.findings, coarse=coarse)


@contextmanager
def source(path: Path, findings: Findings) -> Iterator[Source]:
    """Open a clip of any kind; raises as `opening.opened` and `opening.video_stream` do."""
    if not is_animated(path):
        yield Video(path, findings)
        return
    with closing(Animation(path, findings)) as animation:
        findings.timing = animation.timing.note
        yield animation


def sound_of(container: av.container.InputContainer) -> str:
    """Return the name of the codec of the first sound that can be decoded, or ""."""
    contexts = [stream.codec_context for stream in container.streams.audio]
    return next((context.name for context in contexts if context is not None), "")
