"""From a video stream to whole frames: damage is counted and passed over, fields are joined."""

from __future__ import annotations

from collections.abc import Iterator

import av

from .findings import Findings
from .seeking import Entry, SeekError, packets_from

_UNREADABLE = (av.error.FFmpegError, OSError, EOFError)


def decoded(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    context: av.VideoCodecContext,
    findings: Findings,
    entry: Entry | None = None,
) -> Iterator[av.VideoFrame]:
    """Yield the stream's frames in the order of showing; note which are damaged.

    With an entry they begin at its picture; SeekError is raised where that is not found. A packet
    that cannot be decoded is left out; an empty one repeats the picture before it. Raises what PyAV
    raises where the container itself cannot be read on and nothing was decoded.
    """
    index, last = (0 if entry is None else entry.index), None
    second, passed = _second_decoder(context), set()
    for packet in _packets(container, stream, entry):
        if packet is not None and packet.size == 0 and packet.dts is not None:
            frames = [] if last is None else [last]
        else:
            if second is not None:
                passed.update(frame.pts for frame in _frames(packet, second) or ())
            frames = _frames(packet, context)
        if frames is None:
            findings.undecoded.append(index)
            continue
        for frame in frames:
            if entry is not None and last is None and _is_before(frame, entry):
                continue
            doubted = second is not None and frame.pts not in passed
            if frame.is_corrupt or packet.is_corrupt or doubted:
                findings.damaged.append(index)
            yield frame
            index, last = index + 1, frame


def _is_before(frame: av.VideoFrame, entry: Entry) -> bool:
    if frame.pts is not None and frame.pts < entry.stamp:
        return True
    if frame.pts != entry.stamp or frame.is_corrupt:
        raise SeekError  # it needs what lies before the key frame
    return False


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream, entry: Entry | None
) -> Iterator[av.Packet | None]:
    """Yield the packets, and None where the file breaks off."""
    packets = container.demux(stream) if entry is None else packets_from(container, stream, entry)
    n_packets = 0
    while True:
        try:
            packet = next(packets, None)
        except _UNREADABLE:
            if n_packets:
                yield None
                return
            raise
        if packet is None:
            return
        n_packets += 1
        yield packet


def _second_decoder(context: av.VideoCodecContext) -> av.VideoCodecContext | None:
    """Return libvpx's decoder of VP9 beside FFmpeg's own, None where nothing is to be checked.

    FFmpeg's own marks no damage and shows all that comes out of it. libvpx keeps back a picture
    that it finds damaged, and what rests on it up to the next key frame.
    """
    if context.name != "vp9" or context.pix_fmt != "yuv420p":
        return None
    try:
        return av.CodecContext.create("libvpx-vp9", "r")
    except ValueError:  # FFmpeg was built without it
        return None


def _frames(packet: av.Packet | None, context: av.VideoCodecContext) -> list[av.VideoFrame] | None:
    """Return the frames that a packet completes, None where it cannot be decoded."""
    if packet is None:
        return None
    try:
        return context.decode(packet if packet.size else None)
    except EOFError:  # the end, told twice
        return []
    except _UNREADABLE:
        return None


def deinterlaced(frames: Iterator[av.VideoFrame], findings: Findings) -> Iterator[av.VideoFrame]:
    """Yield as many frames, those of two fields made whole by FFmpeg's bwdif filter."""
    graph, shape = None, None
    for index, frame in enumerate(frames):
        found = frame.width, frame.height, frame.format.name
        if graph is not None and found != shape:
            yield from _flushed(graph)
            graph = None
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            graph, shape = _graph(frame), found
            findings.interlaced = True
        frame.pts = index
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        yield from _flushed(graph)


def _graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    nodes = [
        source,
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ]
    for node, following in zip(nodes, nodes[1:]):
        node.link_to(following)
    graph.configure()
    return graph


def _flushed(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, EOFError):
            return
