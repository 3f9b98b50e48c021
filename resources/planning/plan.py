"""A plan: what an evolution will cost on some cards, stage by stage, and whether it fits."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from resources.planning import costs
from resources.planning.evolution_work import TRUNK_STATES, EvolutionWork
from resources.planning.fitting import Fitting, Layout, Remedy
from resources.planning.work import Counts, Kind, Stage
from resources.settings import Settings
from ser.planning.cards import Cards
from ser.planning.flops import PairLengths
from ser.planning.memory import BYTES, ENOUGH_TOKENS
from ser.planning.shape import ModelShape

DTYPE = "bfloat16"
"""Of the frozen weights on a card."""


@dataclass(frozen=True)
class StageCost:
    """What a stage takes.

    Attributes:
        tokens: that pass the network. memory_bytes: on each card. microbatch_tokens: at once.
        money: in US dollars, for all cards.
    """

    stage: str
    tokens: float
    flops: float
    memory_bytes: float
    microbatch_tokens: int
    checkpointing: bool
    seconds: float
    money: float


@dataclass(frozen=True)
class Plan:
    """What an evolution takes on some cards.

    Attributes:
        fits: whether every stage does; sharded: whether only with the weights spread over the cards.
        policy_stages: how many of the last stages `ser run --no-policy` leaves out.
        states_bytes: of the cache of the trunk's states on the disk.
    """

    parameters: int
    cards: Cards
    counts: Counts
    lengths: PairLengths
    stages: list[StageCost]
    policy_stages: int
    states_bytes: float
    fits: bool
    sharded: bool
    remedies: list[Remedy]

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def money(self) -> float:
        """US dollars of all stages."""
        return sum(stage.money for stage in self.stages)

    @property
    def needed_bytes(self) -> float:
        """Of the stage that takes most memory, on each card."""
        return max(stage.memory_bytes for stage in self.stages)

    def reward_model_stages(self) -> list[StageCost]:
        """All but the policy's."""
        return self.stages[: len(self.stages) - self.policy_stages]

    def document(self) -> dict[str, Any]:
        """The plan as JSON says it."""
        card = self.cards.card
        return {
            "parameters": self.parameters,
            "cards": {"count": self.cards.count, **asdict(card), "usable_bytes": card.usable_bytes},
            "pairs": asdict(self.counts),
            "mean_tokens": self.lengths.tokens,
            "stages": [asdict(stage) for stage in self.stages],
            "states_bytes": self.states_bytes,
            "flops": sum(stage.flops for stage in self.stages),
            "seconds": self.seconds,
            "seconds_without_policy": sum(stage.seconds for stage in self.reward_model_stages()),
            "money": self.money,
            "memory_bytes": self.needed_bytes,
            "fits": self.fits,
            "sharded": self.sharded,
            "remedies": [asdict(remedy) for remedy in self.remedies],
        }


def make_plan(
    settings: Settings,
    shape: ModelShape,
    parameters: int,
    cards: Cards,
    counts: Counts,
    lengths: PairLengths,
    kept: float | None = None,
) -> Plan:
    """The plan of an evolution under `settings` of a model of this shape.

    Each card has the whole model if it fits; else the weights are spread over the cards. What fits neither way is
    planned as if there were room, with gradient checkpointing, and with what would make it fit.
    """
    itemsize = BYTES[DTYPE]
    work = EvolutionWork(settings, shape, itemsize, counts, lengths, kept)
    policy = work.policy_stages()
    stages = work.stages() + policy
    step_tokens = settings.reward_model.batch_size * lengths.tokens / cards.count
    fitting = Fitting(settings, shape, parameters, itemsize, step_tokens)
    kinds: list[Kind] = list(dict.fromkeys(stage.kind for stage in stages))
    layout, fits = _lay_out(fitting, kinds, settings, cards)
    if layout.shards == cards.count == 1 and not layout.four_bit:
        stages = [_with_loads(stage, number == 0) for number, stage in enumerate(stages)]
    costed = [_cost(stage, fitting, layout, shape, step_tokens, cards) for stage in stages]
    states = sum(stage.work.states_written for stage in stages if stage.name == TRUNK_STATES)
    return Plan(
        parameters=parameters,
        cards=cards,
        counts=counts,
        lengths=lengths,
        stages=costed,
        policy_stages=len(policy),
        states_bytes=states,
        fits=fits,
        sharded=layout.shards > 1,
        remedies=[] if fits else fitting.remedies(kinds, layout, cards),
    )


def _with_loads(stage: Stage, loads: bool) -> Stage:
    """A stage of a run whose backbone stays on the card (`ser.models.resident`): the first one reads it."""
    return replace(stage, work=replace(stage.work, loads=float(loads)))


def _lay_out(fitting: Fitting, kinds: list[Kind], settings: Settings, cards: Cards) -> tuple[Layout, bool]:
    """How the model lies on the cards, and whether it fits there."""
    whole = Layout(settings.encoding.max_length, four_bit=settings.compute.weights == "nf4")
    spread = replace(whole, shards=cards.count)
    if fitting.fits(kinds, whole, cards.card.usable_bytes):
        return whole, True
    return spread, fitting.fits(kinds, spread, cards.card.usable_bytes)


def _cost(
    stage: Stage, fitting: Fitting, layout: Layout, shape: ModelShape, step_tokens: float, cards: Cards
) -> StageCost:
    planned = fitting.plan(stage.kind, layout, cards.card.usable_bytes)
    at_once = planned.microbatch.tokens if planned else ENOUGH_TOKENS
    checkpointing = stage.work.training_flops > 0 and (planned is None or planned.microbatch.checkpointing)
    seconds = costs.seconds_of(
        stage,
        shape,
        fitting.weights(stage.kind, replace(layout, shards=1)),
        BYTES[DTYPE],
        cards,
        rows=planned.rows if planned and planned.rows else 1,
        at_once=min(at_once, step_tokens) if stage.kind == "training" else at_once,
        checkpointing=checkpointing,
        sharded=layout.shards > 1,
    )
    return StageCost(
        stage=stage.name,
        tokens=stage.work.tokens,
        flops=stage.work.flops + (stage.work.again_flops if checkpointing else 0.0),
        memory_bytes=planned.bytes if planned else fitting.least(stage.kind, layout, checkpointing=True),
        microbatch_tokens=planned.microbatch.tokens if planned else 0,
        checkpointing=checkpointing,
        seconds=seconds,
        money=seconds / 3600 * cards.count * cards.card.price,
    )
