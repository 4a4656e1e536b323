"""``python -m benchmarks.clips``: the memory that reading a clip of 1080p takes beyond its frames.

The clips are made here; each is read in a process of its own, whose peak is held against that of a
process that imports the same and reads nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.edit_figures import markdown

LIMIT_MIB = 200  # what reading may take beside the frames that it returns
_READ = """
import resource, sys
from course.clips import read_clip
if len(sys.argv) > 2:
    read_clip(sys.argv[1], size=int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def stored_mib(n_frames: int, side: int) -> float:
    """Return the MiB of a clip's frames, float32."""
    return n_frames * 3 * side * side * 4 / 2**20


def write_flat(path: Path, n_frames: int) -> None:
    """Write a flat clip of 1920 x 1080 pixels, frame by frame."""
    import av
    import numpy

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for index in range(n_frames):
            pixels = numpy.full((1620, 1920), 60 + index % 100, numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
        container.mux(stream.encode())


def peak_mib(*arguments: str) -> float:
    """Return the peak memory of a process that reads a clip, or only imports what it needs."""
    command = [sys.executable, "-c", _READ, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print the table; exit code 1 where reading takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="*", default=[30, 300, 3000])
    parser.add_argument("--size", type=int, default=64, help="side that the clip is read at")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_frames in options.frames:
            path = Path(folder) / f"{n_frames}.mp4"
            write_flat(path, n_frames)
            beside = peak_mib(str(path), str(options.size)) - peak_mib(str(path))
            stored = stored_mib(n_frames, options.size)
            rows.append((n_frames, stored, beside - stored))
    header = ["frames of 1920 x 1080", f"kept at {options.size} [MiB]", "beside them [MiB]"]
    print(markdown(header, [[str(n), f"{kept:.0f}", f"{more:.0f}"] for n, kept, more in rows]))
    if any(more > LIMIT_MIB for _, _, more in rows):
        sys.exit(f"reading takes more than {LIMIT_MIB} MiB beside the frames")


if __name__ == "__main__":
    main()
