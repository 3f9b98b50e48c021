"""What must hold of every plan, and the work behind it counted by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import asset_keys as keys
from resources.planning import fitting
from resources.planning.evolution_work import EvolutionWork
from resources.planning.pairs import count_pairs
from resources.planning.plan import Plan, make_plan
from resources.planning.work import Counts
from resources.preset_files import FOLDER
from resources.settings import Controls, Settings
from resources.settings_file import load_settings
from ser.method.recipe import RECIPES
from ser.planning.cards import CARDS, Cards
from ser.planning.flops import PairLengths, forward_flops
from ser.planning.memory import GIB
from ser.planning.shape import ModelShape
from ser.specs import Roles

PARAMETERS = {"llama-3-8b": 8_030_261_248, "llama-3-70b": 70_553_706_496, "smollm2-135m": 134_515_008}
SHAPES = {name: ModelShape.from_config(json.loads((FOLDER / f"{name}.config.json").read_text())) for name in PARAMETERS}
PAPER = Counts(pool=30_000, seed=4_500, calibration=700, test=1_700)
HH = PairLengths.like_hh()


def plan_for(
    model: str = "llama-3-8b",
    gpus: str = "1xH100-80GB",
    counts: Counts = PAPER,
    lengths: PairLengths = HH,
    kept: float | None = None,
    **settings: object,
) -> Plan:
    told = Settings.model_validate(settings)
    return make_plan(told, SHAPES[model], PARAMETERS[model], Cards.parse(gpus), counts, lengths, kept)


@given(
    pool=st.integers(1, 100_000),
    more=st.integers(0, 100_000),
    tokens=st.floats(50, 1000),
    longer=st.floats(0, 1000),
    gpus=st.sampled_from(["1xL4-24GB", "1xH100-80GB", "4xA100-40GB"]),
    top=st.sampled_from([0.5, 1.0]),
)
def test_more_or_longer_pairs_never_cost_less(
    pool: int, more: int, tokens: float, longer: float, gpus: str, top: float
) -> None:
    def planned(pairs: int, length: float) -> Plan:
        counts = Counts(pairs, 100, 50, 50)
        return plan_for(
            gpus=gpus, counts=counts, lengths=PairLengths.like_hh(length), reward_model={"lora": {"top": top}}
        )

    less, most = planned(pool, tokens), planned(pool + more, tokens + longer)
    assert most.money >= less.money * 0.999
    assert sum(stage.flops for stage in most.stages) >= sum(stage.flops for stage in less.stages)
    assert most.states_bytes >= less.states_bytes


@pytest.mark.parametrize("gpus", [f"1x{name}" for name in CARDS])
def test_no_stage_that_fits_uses_more_than_there_is(gpus: str) -> None:
    plan = plan_for(gpus=gpus)
    assert plan.fits
    assert all(0 < stage.memory_bytes <= plan.cards.card.usable_bytes for stage in plan.stages)


def test_longer_pairs_never_need_less_memory() -> None:
    needed = [
        plan_for(model="llama-3-70b", encoding={"max_length": length}).needed_bytes for length in (64, 512, 2048, 8192)
    ]
    assert needed == sorted(needed) and needed[0] < needed[-1]


def test_the_work_of_the_paper_by_hand() -> None:
    """A pool of 30,000, of which loop 1 keeps half and each later one a fifth of what is left."""
    told = Settings.model_validate({"reward_model": {"lora": {"r": 8, "top": 1.0}, "seed_epochs": 2}})
    shape = SHAPES["llama-3-8b"]
    stages = {one.name: one.work for one in EvolutionWork(told, shape, 2, PAPER, HH).stages()}
    pair = forward_flops(shape, HH.tokens, HH.visible, shape.layers)
    own = 6 * 20_971_520 * HH.tokens  # of the adapter's weights
    assert [stages[f"loop_{loop}/self_labels"].forward_flops / pair for loop in (1, 2, 3)] == pytest.approx(
        [30_000, 15_000, 12_000]
    )
    trained = [stages[name].training_flops / (2 * pair + own) for name in ("seed_rm", "loop_1/retrained_rm")]
    assert trained == pytest.approx([2 * 4_500, 4_500 + 15_000])
    assert stages["loop_3/retrained_rm"].training_flops / (2 * pair + own) == pytest.approx(
        4_500 + 15_000 + 3_000 + 2_400
    )
    assert "states of the trunk" not in stages


def test_a_trunk_is_passed_once() -> None:
    half, whole = plan_for(), plan_for(reward_model={"lora": {"top": 1.0}})
    names = [stage.stage for stage in half.stages]
    assert names[0] == "states of the trunk"
    assert half.states_bytes == pytest.approx(PAPER.all * 210 * 4096 * 2)
    assert sum(stage.flops for stage in half.stages) < 0.7 * sum(stage.flops for stage in whole.stages)


def test_without_a_cache_the_trunk_is_passed_each_time() -> None:
    cached, again = plan_for(), plan_for(compute={"cache": "none"})
    assert again.states_bytes == 0 and again.stages[0].stage == "seed_rm"
    passes = 4_500 * 3 + 4 * 2_400 + 57_000 + 3 * 4_500 + 15_000 + 18_000 + 20_400 + 2 * 2_400 + 2_400
    shape = SHAPES["llama-3-8b"]
    more = (passes - PAPER.all) * forward_flops(shape, HH.tokens, HH.visible, shape.layers // 2)
    flops = [sum(stage.flops for stage in plan.stages) for plan in (cached, again)]
    assert flops[1] - flops[0] == pytest.approx(more)


def test_the_recipe_decides_the_work() -> None:
    robust = load_settings(recipe="robust")
    stages = {one.name: one.work for one in EvolutionWork(robust, SHAPES["smollm2-135m"], 2, PAPER, HH).stages()}
    labelled = [stages[f"loop_{loop}/self_labels"].tokens / HH.tokens for loop in (1, 2)]
    # Three teachers label the whole pool; then each labels its fold.
    assert labelled == pytest.approx([3 * 30_000, 30_000])
    measured = 3 * PAPER.heldout
    # Of 85 % of the pool each teacher leaves out its fold; one epoch sees as many pairs as three of the seed.
    assert stages["loop_2/retrained_rm"].tokens / HH.tokens == pytest.approx(3 * (4_500 + 17_000) + measured)
    assert set(RECIPES) == {"paper", "robust"}


def test_nothing_is_left_to_label_when_all_is_kept() -> None:
    names = [stage.stage for stage in plan_for(kept=1.0).stages]
    assert "loop_1/retrained_rm" in names and "loop_2/self_labels" not in names


def test_checkpointing_makes_an_8b_model_fit_on_24_gb_and_costs_half_as_much_again() -> None:
    small, large = (plan_for(gpus=gpus, reward_model={"lora": {"top": 1.0}}) for gpus in ("1xL4-24GB", "1xH100-80GB"))
    assert small.fits and large.fits
    seeds = [next(stage for stage in plan.stages if stage.stage == "seed_rm") for plan in (small, large)]
    assert [stage.checkpointing for stage in seeds] == [True, False]
    assert seeds[0].flops / seeds[1].flops == pytest.approx(1.5, abs=0.08)  # its held-out scores cost the same


def test_what_would_make_70b_fit() -> None:
    plan = plan_for(model="llama-3-70b")
    assert not plan.fits
    found = [(remedy.what.split(",")[0].split(" (")[0], remedy.fits) for remedy in plan.remedies]
    assert found == [
        ("gradient checkpointing", False),
        ("compute.weights = nf4", True),
        ("encoding.max_length = 64", False),
        ("2 cards", True),
        ("H200-141GB", False),
    ]
    sizes = [remedy.bytes / GIB for remedy in plan.remedies]
    assert sizes[0] == pytest.approx(plan.needed_bytes / GIB)
    assert sizes[1] < 60 and sizes[3] < 73 < 130 < sizes[0]


def test_where_memory_is_short_fewer_responses_are_generated_at_once() -> None:
    """64 responses of 512 tokens of Llama 3 8B have 4 GiB of keys and values."""
    told = Settings.model_validate({"ppo": {"episodes": 640, "batch_size": 64, "minibatch_size": 8}})
    counted = fitting.Fitting(told, SHAPES["llama-3-8b"], PARAMETERS["llama-3-8b"], 2, 3360)
    for card, fewest, most in (("L4-24GB", 1, 63), ("H100-80GB", 64, 64)):
        planned = counted.plan("policy", fitting.Layout(512), CARDS[card].usable_bytes)
        assert planned is not None and fewest <= planned.rows <= most
        assert planned.bytes <= CARDS[card].usable_bytes


def test_weights_are_spread_over_cards_only_where_one_does_not_hold_them() -> None:
    assert not plan_for(gpus="8xH100-80GB").sharded
    spread = plan_for(model="llama-3-70b", gpus="8xH100-80GB")
    assert spread.fits and spread.sharded and spread.remedies == []


def test_more_cards_are_faster_and_never_cheaper() -> None:
    one, eight = plan_for(), plan_for(gpus="8xH100-80GB")
    assert one.seconds / 8 < eight.seconds < one.seconds
    assert eight.money > one.money


def test_roles_share_out_the_labelled_pairs() -> None:
    paper = count_pairs(Roles(), 30_000, None)
    assert (paper.pool, paper.seed) == (30_000, pytest.approx(4_500, abs=3))
    assert count_pairs(Roles(), 1000, 400) == Counts(pool=1000, seed=200, calibration=100, test=100)
    capped = count_pairs(Roles(heldout_max=50), 1000, 400)
    assert (capped.calibration, capped.test) == (50, 50)
    # Hardly anything is unlabelled: the labels of most training pairs go to the vault.
    simulated = count_pairs(Roles(), 10, 10_000)
    assert simulated == Counts(pool=10 + 6500 - 975, seed=975, calibration=1000, test=2500)


def test_controls_are_planned_where_they_are_asked_for() -> None:
    asked = dict.fromkeys(Controls.model_fields, True)
    told, shape = Settings(controls=Controls(**asked)), SHAPES["smollm2-135m"]
    stages = {one.name: one.work for one in EvolutionWork(told, shape, 2, PAPER, HH).stages()}
    plain = {one.name for one in EvolutionWork(Settings(), shape, 2, PAPER, HH).stages()}
    assert stages.keys() - plain == set(keys.CONTROLS)
    pairs = {name: work.tokens / HH.tokens for name, work in stages.items()}
    seed, loops = pairs["seed_rm"] - PAPER.heldout, [pairs[keys.model_of(k)] - PAPER.heldout for k in (1, 2, 3)]
    assert pairs[keys.MORE_STEPS_RM] == pytest.approx(seed + sum(loops) + PAPER.heldout)
    assert pairs[keys.TRUE_LABEL_RM] == pytest.approx(pairs[keys.model_of(3)])
    assert pairs[keys.NAIVE_RM] == pytest.approx(PAPER.seed + PAPER.pool + PAPER.heldout)
    assert pairs[keys.SEED_ENSEMBLE_RM] == pytest.approx(3 * seed + 4 * PAPER.heldout)
    assert pairs[keys.HALF_SEED_RM] == pytest.approx(seed / 2 + PAPER.heldout)
