"""Noise is a function of (seed, stream, block) and of nothing else."""

import pytest
import torch

from gtp.randomness import (
    BLOCK,
    ActingNoise,
    Draw,
    derive_seed,
    draw_block,
    draw_indices,
    generator,
    require_slices,
    start_seed,
)

CPU = torch.device("cpu")
DRAWS = {"noise": Draw("normal", (4, 2)), "times": Draw("uniform", (4, 3))}


def test_equal_keys_give_equal_numbers_and_others_differ():
    first = torch.rand(100, generator=generator(3, "noise", 7))
    assert torch.equal(first, torch.rand(100, generator=generator(3, "noise", 7)))
    for other in (generator(4, "noise", 7), generator(3, "times", 7), generator(3, "noise", 8)):
        assert not torch.equal(first, torch.rand(100, generator=other))


def test_derived_seeds_do_not_collide():
    seeds = {derive_seed(s, stream, b) for s in range(20) for stream in ("a", "b") for b in range(500)}
    assert len(seeds) == 20 * 2 * 500


def test_seeds_are_those_of_published_results():
    """Other numbers would be as random, and no committed result would come again."""
    assert derive_seed(3, "noise", 7) == 8070345018213370894
    assert derive_seed(3, "noise") == derive_seed(3, "noise", 0) == 4043382324905363598
    assert generator(3, "noise").initial_seed() == 4043382324905363598
    assert [start_seed(4, "evaluation", i) for i in range(3)] == [722781540, 1766489956, 49856801]
    assert BLOCK == 50


def test_too_few_slices_of_noise_are_refused():
    require_slices(torch.zeros(3, 1), 3)
    with pytest.raises(ValueError, match="nfe = 4 needs as many slices of noise, got 3"):
        require_slices(torch.zeros(3, 1), 4)


def test_a_seeds_noise_does_not_depend_on_its_companions_or_on_global_state():
    torch.manual_seed(0)
    together = draw_block(DRAWS, [0, 1, 2], 5, CPU)
    torch.manual_seed(1)
    alone = draw_block(DRAWS, [1], 5, CPU)
    for name, draw in DRAWS.items():
        assert together[name].shape == (BLOCK, 3, *draw.shape)
        assert torch.equal(together[name][:, 1], alone[name][:, 0])
    rows = draw_indices(10, 4, [0, 1, 2], 5, CPU)
    assert torch.equal(rows[:, 1], draw_indices(10, 4, [1], 5, CPU)[:, 0])


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw_block(DRAWS, [0], 0, CPU)
    ActingNoise(0, "samples", [0], (3, 2)).at(0)
    assert torch.equal(torch.rand(3), expected)


def test_noise_of_an_episode_depends_neither_on_the_others_nor_on_the_past():
    together, alone = (ActingNoise(7, "samples", episodes, (3, 2)) for episodes in ([4, 5, 6], [5]))
    seen = [alone.at(step) for step in range(BLOCK + 2)]
    assert seen[0].shape == (1, 3, 2)
    for step in (BLOCK + 1, 0, 3):
        assert torch.equal(together.at(step)[1], seen[step][0])
    assert len({float(noise.sum()) for noise in seen}) == len(seen)
    for other in (ActingNoise(8, "samples", [5], (3, 2)), ActingNoise(7, "choice", [5], (3, 2))):
        assert not torch.equal(other.at(0), seen[0])


def test_distributions():
    block = draw_block({"n": Draw("normal", (200, 5)), "u": Draw("uniform", (200, 5))}, [0], 0, CPU)
    assert abs(block["n"].mean().item()) < 0.02
    assert abs(block["n"].std().item() - 1) < 0.02
    assert 0 <= block["u"].min().item() < 0.001
    assert 0.999 < block["u"].max().item() < 1
    rows = draw_indices(7, 1000, [0], 0, CPU)
    assert rows.unique().tolist() == list(range(7))
