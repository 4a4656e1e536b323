"""What the command line refuses, tells and leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy
import pytest
import torch
from clip_files import encode, numbered, quarters, smooth_clip
from safetensors.torch import load_file, save_file

from course.__main__ import main
from course.clips import Clip, read_clip, write_clip
from course.commands import finetune as finetune_options
from course.commands.outputs import check_room, claimed, edit_files

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ["--source", "a red circle on a blue background"]
PROMPTS += ["--target", "a green star on a blue background"]
# Files and clips are in question here, not the method: this one takes a quarter of the time.
QUICK = ["--steps", "2", "--method", "paper", "--finetune", "0", "--no-baselines", "--quiet"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "4", "--output", str(path)]) == 0
    return path


@pytest.fixture
def edit(source, tmp_path, capsys):
    """Return a function that runs an edit and returns its exit code, output and one-line error."""

    def run(*options: object, clip: Path = source, output: str | Path = "out.mp4"):
        capsys.readouterr()
        arguments = ["edit", clip, *PROMPTS, *QUICK, "--output", tmp_path / output, *options]
        status = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        errors = told.err.strip().splitlines()
        assert status == 0 or len(errors) == 1
        return status, told.out, told.err

    return run


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["edit", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments):
    script = "import sys; from course.__main__ import main\ntry: main(sys.argv[1:])\n"
    script += "except SystemExit: pass\n"
    script += "print(*({'torch', 'numpy', 'av', 'PIL', 'diffusers'} & set(sys.modules)), 'end')"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1].strip() == "end"


BAD = [
    ("--mask", "nan"), ("--mask", "-1"), ("--mask", "1"), ("--guidance", "nan"),
    ("--guidance", "inf"), ("--source", ""), ("--target", "   "), ("--seed", str(2**70)),
    ("--seed", "-1"), ("--steps", "0"), ("--frames", "1"), ("--start", "-1"), ("--fps", "0"),
    ("--fps", "nan"), ("--size", "0"), ("--size", "64x"), ("--fit", "cut"), ("--skip", "-1"),
    ("--filter-sigma", "nan"), ("--finetune", "many"), ("--start", "99"), ("--fps", "60"),
    ("--frames", "100000"), ("--size", "67"), ("--skip", "2"), ("--steps", "1001"),
    ("--decode-chunk", str(2**70)), ("--rank", str(2**31)), ("--target", ' ,;"'),
    ("--source", "\u200b"), ("--depth", "https://example.org/a.mp4"), ("--adapter", ""),
    ("--output", "https://example.org/a.mp4"), ("--adapter", "there/is/none"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_option(edit, tmp_path, option, value):
    status, _, error = edit(f"{option}={value}")
    assert status == 2 and option in error and not list(tmp_path.iterdir())


BAD_TRAINING = [
    ["--learning-rate", "inf"], ["--prompt", " "], ["--prompt", "."], ["--rank", "0"],
    ["--rank", str(2**70)], ["--windows", str(2**70)], ["--tokens", "0", str(2**70)],
    ["--timesteps", "1", "0"], ["--timesteps", "0", "nan"], ["--no-adapter"], ["--targets", "none"],
    ["--window", "2"], ["--temporal", "frames", "--frames", "2"],
]  # fmt: skip


@pytest.mark.parametrize("options", BAD_TRAINING)
def test_a_bad_value_of_finetune_is_refused(source, tmp_path, capsys, options):
    arguments = ["--prompt", "a red circle", "--output", str(tmp_path / "a"), *options]
    assert main(["finetune", str(source), *arguments]) == 2
    assert options[0] in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["nan", "-1", "0", "", str(2**70)])
@pytest.mark.parametrize("option", ["render --frames", "render --size", "ledger --budget"])
def test_a_bad_value_of_another_command_is_refused(tmp_path, capsys, option, value):
    command, name = option.split()
    output = ["--output", str(tmp_path / "a.mp4")] if command == "render" else []
    assert main([command, *output, f"{name}={value}"]) == 2
    told = capsys.readouterr().err
    assert name in told and len(told.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_the_choices_of_finetune_are_those_of_the_package():
    from course.adapters.lora import _TARGETS
    from course.finetune import WEIGHTS
    from course.finetune.objective import LEAST_FRAMES

    assert tuple(WEIGHTS) == finetune_options.WEIGHTS
    assert tuple(LEAST_FRAMES) == finetune_options.TEMPORAL
    assert tuple(_TARGETS) == finetune_options.TARGETS


def test_training_that_runs_away_stops_and_keeps_nothing(source, tmp_path, capsys):
    arguments = ["--prompt", "a red circle", "--output", str(tmp_path / "a"), "--quiet"]
    run_away = ["--learning-rate", "1e20", "--steps", "4"]
    assert main(["finetune", str(source), *arguments, *run_away]) == 2
    assert "learning rate" in capsys.readouterr().err and not (tmp_path / "a").exists()


def test_a_full_stop_is_no_unknown_word(pipe):
    from course.models import encode_prompt

    plain, pointed = "a red circle on a blue background", "A red circle, on a blue background."
    assert torch.equal(encode_prompt(pipe, plain), encode_prompt(pipe, pointed))


def test_the_line_before_the_work_tells_what_is_taken(edit, tmp_path):
    clip = encode(tmp_path / "wide.mp4", numbered(12)[:, :24], rate=12, sound=True)
    _, out, _ = edit("--frames", 3, "--fps", 4, "--start", 0.25, clip=clip)
    line = (
        "48 x 24, 12 frames at 12 fps, sound -> 64 x 64 (the centred square; 50 % is cut off), "
        "3 frames from 0.2 s at 4 fps; sound is dropped"
    )
    assert out.splitlines()[0] == line and read_clip(tmp_path / "out.mp4").fps == 4


@pytest.mark.parametrize(
    ("fit", "size"),
    [("crop", (64, 64)), ("pad", (64, 64)), ("stretch", (64, 64)), ("keep", (64, 96))],
)
def test_the_four_ways_to_fit(edit, tmp_path, fit, size):
    frames = torch.nn.functional.interpolate(quarters()[None], (64, 96)).expand(3, -1, -1, -1)
    write_clip(Clip(frames, 8), tmp_path / "in.mp4")
    assert edit("--fit", fit, clip=tmp_path / "in.mp4")[0] == 0
    assert read_clip(tmp_path / "out.mp4").size == size


def test_start_and_rate_pick_from_the_frames_of_the_whole_clip(tmp_path):
    path = encode(tmp_path / "a.mp4", numbered(24), rate=12)
    whole = read_clip(path)
    part = read_clip(path, start=0.5, fps=4, n_frames=5)
    assert part.fps == 4 and torch.equal(part.frames, whole.frames[6:21:3])


def test_padding_keeps_the_whole_picture_and_stretching_its_corners(tmp_path):
    path = encode(
        tmp_path / "a.mp4", Clip(quarters(48, 96)[None].expand(2, -1, -1, -1), 8).to_uint8()
    )
    padded = read_clip(path, size=64, fit="pad").frames[0]
    assert float(padded[:, :15].max()) < 0.1 and float(padded[0, 20, 4]) > 0.8
    stretched = read_clip(path, size=64, fit="stretch").frames[0]
    assert float(stretched[0, 4, 4]) > 0.8 and float(stretched[2, 60, 4]) > 0.8


@pytest.mark.parametrize(("options", "kept"), [((), True), (("--frames", 6), False)])
def test_sound_stays_where_the_whole_clip_is_edited(edit, tmp_path, options, kept):
    clip = encode(tmp_path / "a.mp4", numbered(8), sound=True)
    _, out, _ = edit(*options, clip=clip)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert bool(container.streams.audio) == kept
    assert ("sound is kept" in out) == kept and ("sound is dropped" in out) != kept


def test_what_is_not_shown_as_stored_is_told_once(edit, tmp_path):
    stamps = [0, 1000, 2000, 2033, 2066]
    _, out, _ = edit(clip=encode(tmp_path / "a.mp4", numbered(5), stamps=stamps))
    assert out.count("uneven") == 1


def test_a_long_clip_tells_its_cost():
    from course.commands.clip_options import cost

    assert cost(8) == "" and "10 times as long" in cost(80)


def test_a_filmed_clip_is_told_to_be_beyond_the_embedded_model(edit, source, tmp_path):
    from skimage import data

    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    write_clip(Clip(photograph.expand(3, -1, -1, -1), 8), tmp_path / "film.mp4")
    assert "cannot show this clip" in edit(clip=tmp_path / "film.mp4")[1]
    assert "cannot show" not in edit("--overwrite", clip=source)[1]


def test_results_that_are_there_are_kept_unless_overwrite_is_said(edit, tmp_path):
    (tmp_path / "out_metrics.md").write_text("mine")
    status, _, error = edit()
    assert status == 2 and "out_metrics.md" in error and "--overwrite" in error
    assert (tmp_path / "out_metrics.md").read_text() == "mine"
    assert edit("--overwrite")[0] == 0 and "mine" not in (tmp_path / "out_metrics.md").read_text()


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "dots"])
def test_the_clip_itself_is_never_written_over(edit, source, tmp_path, way):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(source.read_bytes())
    output = {"itself": clip, "dots": tmp_path / ".." / tmp_path.name / "clip.mp4"}.get(way)
    if output is None:
        output = tmp_path / "other.mp4"
        (output.symlink_to if way == "link" else output.hardlink_to)(clip)
    before = clip.read_bytes()
    status, _, error = edit("--overwrite", clip=clip, output=output)
    assert status == 2 and "clip.mp4" in error and clip.read_bytes() == before


def test_a_link_is_followed_and_stays(edit, tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "out.mp4").symlink_to(tmp_path / "place" / "real.mp4")
    assert edit()[0] == 0
    assert (tmp_path / "out.mp4").is_symlink() and (tmp_path / "place" / "real.mp4").is_file()


def test_what_cannot_be_written_is_found_before_the_work(edit, tmp_path, monkeypatch):
    monkeypatch.setattr("course.editing.edit", lambda *_, **__: pytest.fail("worked in vain"))
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "a_sheet.png").mkdir()
    (tmp_path / "kept.mp4").write_text("")
    (tmp_path / "kept.mp4").chmod(0o444)
    os.mkfifo(tmp_path / "pipe.mp4")
    names = ["folder.mp4", "a.mp4", "kept.mp4", "pipe.mp4", 250 * "n" + ".mp4", 300 * "n" + ".mp4"]
    for name in names:
        status, _, error = edit("--overwrite", output=name)
        assert status == 2 and (name.removesuffix(".mp4") in error), name


def test_a_link_into_a_folder_that_is_read_only_is_found_before_the_work(
    edit, tmp_path, monkeypatch
):
    place, access = tmp_path / "place", os.access
    place.mkdir()
    # An administrator may write everywhere: the system's answer is put in its mouth.
    monkeypatch.setattr(os, "access", lambda path, mode: path != place and access(path, mode))
    monkeypatch.setattr("course.editing.edit", lambda *_, **__: pytest.fail("worked in vain"))
    for name in ("out.mp4", "a_sheet.png"):
        (tmp_path / name).symlink_to(place / name)
        status, _, error = edit(output=name.replace("_sheet.png", ".mp4"))
        assert status == 2 and f"{place} cannot be written" in error


def test_a_disk_without_room_is_found_before_the_work(edit, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "free")
    monkeypatch.setattr("course.commands.outputs.shutil.disk_usage", lambda _: usage(1000))
    status, _, error = edit()
    assert status == 2 and "free room" in error and not list(tmp_path.iterdir())


def test_the_room_is_that_of_the_disk_to_which_a_link_leads(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "out.mp4").symlink_to(tmp_path / "other" / "real.mp4")
    asked, disk_usage = [], shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or disk_usage(path))
    check_room(tmp_path / "out.mp4", 1)
    assert asked == [tmp_path / "other"]


def test_a_late_failure_says_which_files_are_there(edit, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("course.editing.result.Edit.sheet", full)
    status, _, error = edit()
    assert status == 2 and "written before it" in error and str(tmp_path / "out.mp4") in error


def test_two_runs_into_one_output_do_not_mix(edit, tmp_path):
    with claimed(tmp_path / "out.mp4"):
        status, _, error = edit()
    assert status == 2 and "another run" in error and edit()[0] == 0


def test_every_file_that_an_edit_writes_is_checked_before(edit, tmp_path):
    assert edit()[0] == 0
    assert set(edit_files(tmp_path / "out.mp4", reconstruction=False)) == set(tmp_path.iterdir())


def test_a_depth_clip_of_another_rate_is_refused(edit, tmp_path):
    write_clip(smooth_clip(4, 64, 64, fps=5), tmp_path / "depth.mp4")
    status, _, error = edit("--depth", tmp_path / "depth.mp4")
    assert status == 2 and "--depth" in error and "5 frames a second" in error


@pytest.mark.parametrize(
    ("n_frames", "width", "told"), [(4, 96, "shows 96 x 64"), (3, 64, "depth.mp4 has 3")]
)
def test_a_depth_clip_of_another_shape_or_length_is_refused_before_the_model_is_loaded(
    edit, source, tmp_path, monkeypatch, n_frames, width, told
):
    monkeypatch.setattr("course.models.load", lambda *_, **__: pytest.fail("loaded in vain"))
    fps = read_clip(source).fps
    write_clip(smooth_clip(n_frames, 64, width, fps=fps), tmp_path / "depth.mp4")
    status, _, error = edit("--depth", tmp_path / "depth.mp4")
    assert status == 2 and told in error


@pytest.fixture(scope="module")
def adapter(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter") / "a"
    arguments = ["--prompt", "a red circle", "--output", str(folder), "--steps", "2", "--quiet"]
    assert main(["finetune", str(source), *arguments]) == 0
    return folder


def test_files_have_the_rights_of_the_umask(adapter, source):
    mask = os.umask(0)
    os.umask(mask)
    for file in (*adapter.iterdir(), source):
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask


SPOILT = {
    "only A": (lambda key, w: w if "lora_A" in key else None, "has no"),
    "rank": (lambda key, w: w[:2].contiguous() if "lora_A" in key else w, "different rank"),
    "nan": (lambda key, w: w * float("nan"), "not finite"),
    "zero": (lambda key, w: w * 0, "zeros"),
    "int8": (lambda key, w: w.to(torch.int8), "floating point"),
    "untrained": (lambda key, w: w * ("lora_A" in key), "changes nothing"),
    "one without B": (
        lambda key, w: None if key.endswith("0.attn2.to_q.lora_B.weight") else w,
        "has no",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_adapter_is_one_line_that_names_it(edit, adapter, tmp_path, kind):
    change, told = SPOILT[kind]
    weights = load_file(adapter / "pytorch_lora_weights.safetensors")
    changed = {k: new for k, w in weights.items() if (new := change(k, w)) is not None}
    (tmp_path / "bad").mkdir()
    save_file(changed, tmp_path / "bad" / "pytorch_lora_weights.safetensors")
    status, _, error = edit("--adapter", tmp_path / "bad")
    assert status == 2 and told in error and str(tmp_path / "bad") in error


@pytest.mark.parametrize("kind", ["empty", "pipe", "folder"])
def test_a_place_without_an_adapter_is_told_before_the_model_is_loaded(
    edit, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr("course.models.load", lambda *_, **__: pytest.fail("worked in vain"))
    file = tmp_path / "a" / "pytorch_lora_weights.safetensors"
    file.parent.mkdir()
    {"empty": lambda _: None, "pipe": os.mkfifo, "folder": os.mkdir}[kind](file)
    status, _, error = edit("--adapter", file.parent)
    assert status == 2 and str(file.parent) in error and "no safetensors file" in error


@pytest.mark.parametrize("option", ["clip", "--depth", "--output"])
def test_a_name_that_no_file_can_have_is_told_in_full(edit, option):
    value = "a\0b.mp4"
    status, _, error = edit(clip=value) if option == "clip" else edit(option, value)
    assert status == 2 and "a\\x00b.mp4" in error


def test_a_prompt_that_is_no_text_is_refused(edit):
    status, _, error = edit("--target", os.fsdecode(b"a \xff star"))
    assert status == 2 and "--target" in error and "no text in UTF-8" in error


@pytest.mark.parametrize("command", ["finetune {} --prompt x", "render"])
def test_a_folder_s_or_a_picture_s_impossible_name_is_told_in_full(source, capsys, command):
    assert main([*command.format(source).split(), "--output", "a\0b"]) == 2
    assert "--output: 'a\\x00b' has a null character" in capsys.readouterr().err


def test_training_looks_once_more_at_its_folder_when_no_other_run_has_it(
    source, adapter, tmp_path, capsys, monkeypatch
):
    def other_run(*_):
        shutil.copytree(adapter, tmp_path / "a")
        return claimed(*_)

    monkeypatch.setattr("course.commands.training.claimed", other_run)
    arguments = ["--prompt", "a red circle", "--output", str(tmp_path / "a"), "--steps", "1"]
    assert main(["finetune", str(source), *arguments]) == 2
    assert "holds an earlier run" in capsys.readouterr().err


def test_the_file_of_an_adapter_is_as_good_as_its_folder(edit, adapter):
    assert edit("--adapter", adapter / "pytorch_lora_weights.safetensors")[0] == 0


@pytest.mark.parametrize(
    "error", [MemoryError("big"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_no_memory_is_one_line(edit, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("course.editing.edit", fail)
    status, _, told = edit()
    assert status == 2 and "out of memory" in told and "--dtype" in told


def test_an_interrupt_that_a_library_swallows_still_stops(signals_come, edit, monkeypatch):
    def swallowed(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ValueError("failed to import") from error

    monkeypatch.setattr("course.editing.edit", swallowed)
    assert edit()[::2] == (2, "stopped; no half-written file is left\n")


def test_an_error_of_the_system_names_the_path(edit, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", "/there/it.txt")

    monkeypatch.setattr("course.editing.edit", denied)
    assert "/there/it.txt: Permission denied" in edit()[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_by_a_signal_leaves_no_part_of_a_file(signals_come, tmp_path, number):
    script = "import sys, time\nfrom course.commands.stopping import stoppable, told\n"
    script += "from course.files import safe_output\ntry:\n"
    script += "  with stoppable(), safe_output(sys.argv[1]) as file:\n"
    script += "    file.write(b'x'); file.flush(); print('ready', flush=True); time.sleep(60)\n"
    script += "except KeyboardInterrupt: sys.exit(2)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "a.bin")], stdout=subprocess.PIPE, cwd=ROOT
    )
    process.stdout.readline()
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    process.send_signal(number)
    assert process.wait(30) == 2 and not list(tmp_path.iterdir())
    process.stdout.close()


def test_a_reader_who_leaves_is_no_error(tmp_path):
    command = [sys.executable, "-m", "course", "--version"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    os.close(write)
    assert "Traceback" not in done.stderr


def test_a_clip_keeps_memory_near_that_of_its_frames():
    from benchmarks.clips import stored_mib

    assert stored_mib(300, 64) == pytest.approx(300 * 3 * 64 * 64 * 4 / 2**20)


@pytest.mark.parametrize("value", [64.5, "64", None.__class__])
def test_what_is_no_whole_number_is_called_so(tmp_path, value):
    path = encode(tmp_path / "a.mp4", numbered(3))
    with pytest.raises(TypeError, match=r"n_frames is .* whole number"):
        read_clip(path, n_frames=value)
    assert read_clip(path, size=numpy.int64(32), n_frames=numpy.int32(2)).size == (32, 32)


def test_a_count_beyond_all_memory_is_only_more_than_there_are(tmp_path):
    with pytest.raises(ValueError, match="holds 3 frames"):
        read_clip(encode(tmp_path / "a.mp4", numbered(3)), n_frames=2**70)


def test_a_rate_above_the_clips_own_is_refused(tmp_path):
    path = encode(tmp_path / "a.mp4", numbered(4), rate=Fraction(30000, 1001))
    assert read_clip(path, fps=30).fps == pytest.approx(29.97, abs=0.03)
    with pytest.raises(ValueError, match="left out, not made"):
        read_clip(path, fps=31)
