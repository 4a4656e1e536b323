"""Opening a clip: a video file on this disk, and nothing that the file may point to.

FFmpeg takes playlists, scripts and session descriptions for video too, follows what they name and
asks the network for it. So what may be opened is listed here, and nothing else ever is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import av
from av.stream import Disposition

from .naming import known_by_name

# Containers, raw streams and single pictures. None of these demuxers opens a second file.
FORMATS = (
    "mov,matroska,webm,avi,asf,flv,live_flv,mpegts,mpeg,mpegvideo,mxf,ogg,rm,nut,ivf,dv,gxf,wtv,"
    "yuv4mpegpipe,h261,h263,h264,hevc,vvc,m4v,mjpeg,obu,av1,vc1,dirac,dnxhd,"
    "gif,apng,avif,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
MAX_PIXELS = 2**27  # 16K video; a header that promises more would only fill the memory
_CODECS_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; its errors name the path."""
    try:
        return open(path, "rb")
    except PermissionError as error:
        raise PermissionError(
            error.errno, f"{path} cannot be read: you have no right to. Change its rights"
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video file with PyAV; no other file and no network is touched.

    Raises ValueError for a file of another kind, and for one that breaks while it is read.
    """
    # Tags that are no UTF-8 are an error for PyAV before version 19 unless it is told otherwise.
    knows_tags = hasattr(av.container.Container, "metadata_errors")
    tags = {"metadata_errors": "replace"} if knows_tags else {}
    with open_file(path) as file:
        try:
            container = av.open(file, container_options=_LIMITS, io_open=_refuse, **tags)
        except (av.error.FFmpegError, OSError, EOFError) as error:
            raise ValueError(
                f"{path} cannot be read as a video ({_reason(error)}): it is no video or it was "
                "cut off. Wanted a video file such as mp4, mov, mkv, webm or gif. Copy it again, "
                "or convert it to mp4."
            ) from error
        with container:
            yield container


_LIMITS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"a clip may not open another file ({url})")


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    # What FFmpeg answers for a format outside the list.
    return "no format that is read here" if text == "Invalid argument" else text


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the stream that a player shows: neither a cover picture nor a preview.

    Raises ValueError where there is none, or where no coding is known.
    """
    # The cover picture of a song is stored as a video stream of one frame.
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise ValueError(f"{path} holds no video stream; wanted a video, such as an mp4 file.")
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise ValueError(
            f"{path} is coded in a way that is not known here{known_by_name(path)}. Convert it "
            "to mp4 (H.264) with the app or camera that made it."
        )
    moving = [s for s in known if s.frames != 1] or known  # a still beside a video is its poster
    stream = container.streams.best("video")
    if stream is None or stream not in moving:
        stream = moving[0]
    context = stream.codec_context
    if context.width * context.height > MAX_PIXELS:
        found = f"{context.width} x {context.height}"
        raise ValueError(f"{path} has frames of {found} pixels; at most {MAX_PIXELS} are read.")
    return stream


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    """Return the decoder of a stream, for VP8 and VP9 with transparency the one that sees it."""
    context = stream.codec_context
    name = _CODECS_WITH_ALPHA.get(context.name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}  # as FFmpeg compares them
    if tags.get("alpha_mode") != "1" or name not in av.codecs_available:
        return context
    other = av.CodecContext.create(name, "r")
    other.extradata = context.extradata
    other.width, other.height = context.width, context.height
    return other


def check_whole(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> None:
    """Raise ValueError for an mp4 or mov file that ends before its pictures do.

    The table of contents may be whole although the pictures it points to are missing.
    """
    entries = stream.index_entries
    if "mp4" in container.format.name and len(entries):
        last = entries[len(entries) - 1]
        if last.pos + last.size > path.stat().st_size:
            raise ValueError(f"{path} was cut off: its last frames are missing. Copy it again.")
