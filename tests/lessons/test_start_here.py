"""Other right answers, and further wrong ones, to the exercises of lesson 00."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from classroom.exercises import reference


def pairs_by_listing(n_frames):
    return len(list(itertools.pairwise(range(n_frames))))


def pairs_as_a_tensor(n_frames):
    return torch.tensor(n_frames - 1)


def changes_in_a_loop(frames):
    return torch.stack([(after - before).abs().mean() for before, after in zip(frames, frames[1:])])


def changes_with_numpy(frames):
    return torch.from_numpy(np.abs(np.diff(frames.numpy(), axis=0)).mean(axis=(1, 2, 3)))


def changes_by_l1_loss(frames):
    apart = torch.nn.functional.l1_loss(frames[1:], frames[:-1], reduction="none")
    return apart.mean(dim=(1, 2, 3))


ALTERNATIVES = {
    "neighbour_pairs": [pairs_by_listing, pairs_as_a_tensor],
    "frame_changes": [changes_in_a_loop, changes_with_numpy, changes_by_l1_loss],
}
WRONG = {
    "neighbour_pairs": [lambda n_frames: 7, lambda n_frames: n_frames + 1, lambda n_frames: None],
    "frame_changes": [
        lambda frames: frames.diff(dim=0).abs().amax(dim=(1, 2, 3)),
        lambda frames: frames.diff(dim=0).abs().mean(dim=1),
        lambda frames: frames.diff(dim=0).abs().flatten(1).median(1).values,
    ],
}


def test_the_counted_pairs_are_those_that_change():
    frames = torch.rand(6, 3, 4, 4)
    assert len(reference("frame_changes")(frames)) == reference("neighbour_pairs")(6)
