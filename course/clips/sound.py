"""The sound of a clip, put beside pictures that were edited: packets are copied, not coded."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av

from course.files import safe_output

from .opening import opened

CODECS = ("aac", "mp3", "mp3float", "ac3", "eac3", "opus", "flac", "alac")
"""Sound that mp4 files hold and players play."""


def copy_sound(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Put the sound of one video file beside the pictures of another, an mp4 of ours.

    Both start together. The file is replaced when it is whole; raises ValueError where the sound
    cannot be copied, and what `safe_output` raises.
    """
    path, buffer = Path(path), io.BytesIO()
    try:
        with opened(path) as pictures, opened(Path(source)) as original:
            _join(pictures, original, buffer)
    except (av.error.FFmpegError, StopIteration) as error:
        raise ValueError(f"the sound of {source} cannot be copied into an mp4 file") from error
    with safe_output(path) as file:
        file.write(buffer.getvalue())


def _join(
    pictures: av.container.InputContainer,
    original: av.container.InputContainer,
    buffer: io.BytesIO,
) -> None:
    video = pictures.streams.video[0]
    audio = next(s for s in original.streams.audio if s.codec_context is not None)
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata.update(pictures.metadata)
        copies = {s: container.add_stream_from_template(s) for s in (video, audio)}
        for stream, source in ((video, pictures), (audio, original)):
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copies[stream]
                    container.mux(packet)
