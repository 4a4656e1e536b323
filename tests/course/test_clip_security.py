"""A clip is a local video file and nothing else: no other file, no network, no waiting."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from clip_files import encode, numbered

from course.clips import read_clip
from course.clips.video import clip_facts


@pytest.fixture
def listener():
    """Yield a port of this machine and the list of those who called there."""
    callers = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    callers.append(server.accept()[1])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{there}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{there}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="0"><BaseURL>{there}'
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "asx": '<ASX version="3.0"><Entry><Ref href="{there}"/></Entry></ASX>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 15004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "reference": "[Reference]\nRef1={there}\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".sdp", ".mpd"])
def test_a_text_that_names_an_address_calls_nobody(tmp_path, listener, kind, suffix):
    port, callers = listener
    text = PLAYLISTS[kind].format(there=f"http://127.0.0.1:{port}/a.mp4")
    (tmp_path / f"clip{suffix}").write_text(text)
    with pytest.raises(ValueError, match="no video"):
        read_clip(tmp_path / f"clip{suffix}")
    assert not callers


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["beside.mp4", "{folder}/beside.mp4", "file:{folder}/beside.mp4"])
def test_a_text_that_names_a_file_does_not_open_it(tmp_path, kind, name):
    encode(tmp_path / "beside.mp4", numbered(4))
    os.utime(tmp_path / "beside.mp4", (1, 10**9))  # the time of reading is older than of writing
    text = PLAYLISTS[kind].format(there=name.format(folder=tmp_path))
    (tmp_path / "clip.mp4").write_text(text)
    with pytest.raises(ValueError, match="no video"):
        read_clip(tmp_path / "clip.mp4")
    assert (tmp_path / "beside.mp4").stat().st_atime == 1


def test_what_asks_for_another_file_is_refused():
    from course.clips import opening

    with pytest.raises(PermissionError, match="another file"):
        opening._refuse("http://example.org", 0, {})


def test_no_format_of_the_list_follows_what_it_names():
    from course.clips.opening import FORMATS

    names = set(FORMATS.split(","))
    followers = {"concat", "hls", "dash", "sdp", "rtsp", "rtp", "image2", "lavfi", "tty", "asf_o"}
    assert not names & followers


@pytest.mark.parametrize("suffix", [".txt", ".ans", ".mp4", ".nfo", ".bin", ".mov"])
def test_text_is_no_video(tmp_path, suffix):
    (tmp_path / f"hello{suffix}").write_text("hello world\n" * 50)
    with pytest.raises(ValueError, match="no video"):
        read_clip(tmp_path / f"hello{suffix}")


def test_a_pattern_in_a_name_is_a_name(tmp_path):
    encode(tmp_path / "a%d.mp4", numbered(4))
    assert read_clip(tmp_path / "a%d.mp4").n_frames == 4


@pytest.mark.parametrize("path", ["https://example.org/a.mp4", "rtsp://a/b", "file:///etc/passwd"])
@pytest.mark.parametrize("read", [read_clip, clip_facts])
def test_an_address_is_named_whole_and_refused(path, read):
    with pytest.raises(ValueError, match=f"^{path} is an address"):
        read(path)


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/zero"):
        with pytest.raises(ValueError, match="pipe or a device"):
            read_clip(path)
