"""Everything that crosses a process boundary, and how it is written there (msgpack).

API process -> worker:   Submit, Extend, Stop, Cancel, Remeasure, Drain
Worker -> API process:   Ready, StartFailed, Preview, Result, Failed, Stats
API process -> encoder:  Encode
Encoder -> API process:  EncoderReady, StartFailed, Encoded, Unusable, TimeUp, Failed
Front -> replica:        Call, Told
Replica -> front:        Taken, Preview, Answered, Refused, Roster

Clocks of other processes are not relied on: durations travel, and each side anchors them to its own clock on receipt.
`sent_at` says where between two looks at the transport a message came, and is believed only if it lies between them.
Fronts and replicas, which may be on different machines, say whose clock it was (`service.fleet.transit`).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from models.media import Fit
from service.scheduler import NORMAL
from service.scheduler.costs import NO_TIME, Duration


class _Message(msgspec.Struct, frozen=True, tag=True):
    """Base of every message; `tag` names the class on the wire."""


class Encoding(msgspec.Struct, frozen=True):
    """How to turn a decoded sample into bytes. `scale` enlarges pictures by a whole factor; that of audio is 1."""

    format: str
    scale: int = 1


class Sampling(msgspec.Struct, frozen=True):
    """What decides the codes: sample i is keyed by (seed, index + i), and begins with the codes that are given.

    Attributes:
        codes: with which every sample begins.
        whole: instead, all the codes of each sample by itself: at least one, and there is nothing left to draw.
    """

    seed: int
    label: int | None
    temperature: float
    top_k: int
    top_p: float
    index: int = 0
    codes: tuple[int, ...] = ()
    whole: tuple[tuple[int, ...], ...] = ()

    def given(self, index: int) -> tuple[int, ...]:
        """The codes that sample number `index` of the request begins with."""
        return self.whole[index] if self.whole else self.codes

    @property
    def fewest_given(self) -> int:
        """With how many codes the sample that has fewest begins."""
        return min(map(len, self.whole), default=len(self.codes))

    @property
    def most_given(self) -> int:
        """With how many codes the sample that has most begins."""
        return max(map(len, self.whole), default=len(self.codes))


class Submit(_Message, frozen=True):
    """Generate `n` samples.

    Attributes:
        model: its identity.
        remaining_ms: until the worker must have handed its result to the transport; the sender has already
            taken off what the way back costs.
        min_codes, max_codes: 1 <= min_codes <= max_codes <= K.
        target_codes: how many are enough, None for all.
        priority: 1 is highest.
        preview_ms: send a preview at most this often, None for never.
        sent_at: seconds on the sender's monotonic clock, which processes of one machine share; None if unknown.
    """

    id: str
    model: str
    remaining_ms: float
    n: int
    sampling: Sampling
    encoding: Encoding
    min_codes: int
    max_codes: int
    target_codes: int | None = None
    priority: int = NORMAL
    preview_ms: float | None = None
    sent_at: float | None = None


class Extend(_Message, frozen=True):
    """This request has `remaining_ms` from now on; both are meant as in `Submit`."""

    id: str
    remaining_ms: float
    sent_at: float | None = None


class Stop(_Message, frozen=True):
    """Answer this request now, at its present prefix (`client_stop`)."""

    id: str


class Cancel(_Message, frozen=True):
    """Forget this request; nothing is sent for it any more."""

    id: str


class Remeasure(_Message, frozen=True):
    """A request like this was refused for what it would cost: see, when there is nothing else to do, if it still does.

    What is refused teaches nothing, so without this a slowdown could make requests infeasible for good.
    """

    model: str
    n: int
    encoding: Encoding


class Drain(_Message, frozen=True):
    """Answer every request at its present prefix (`drain`) and take no more."""


class Output(msgspec.Struct, frozen=True):
    """One encoded sample."""

    index: int
    data: bytes
    codes: list[int]
    stop_reason: str
    expected_quality: float


class Timing(msgspec.Struct, frozen=True):
    """Where a request's time in the worker went, in milliseconds; `total_ms` is receipt to hand-over."""

    queue_ms: float
    sample_ms: float
    decode_ms: float
    encode_ms: float
    total_ms: float


class EncodeCost(msgspec.Struct, frozen=True):
    """What encoding one sample and sending it takes."""

    format: str
    scale: int
    takes: Duration


class Minimum(msgspec.Struct, frozen=True):
    """What the parts of the smallest answer take, for requests of several samples or of another encoding.

    Attributes:
        step: one sample's first code.
        decode: its decode.
        further_s: what each further sample beside it adds.
        shares_s: what decoding a sample, and each of its codes, takes of the device when it is busy.
        encodings: each sample's encoding, for the kinds that were measured.
    """

    step: Duration
    decode: Duration
    further_s: float
    shares_s: tuple[float, float]
    encodings: list[EncodeCost]

    @property
    def alone(self) -> Duration:
        """What one sample takes, encoded the quickest way."""
        return self.step.then(self.decode).then(min((each.takes for each in self.encodings), default=NO_TIME))


class Ready(_Message, frozen=True):
    """The worker is warmed up.

    Attributes:
        slots, minimums: by identity of the model, for every model that it has.
        failed: why the others could not be loaded, by the folder of the bundle; each sentence is safe to show.
    """

    device: str
    slots: dict[str, int]
    minimums: dict[str, Minimum]
    failed: dict[str, str] = {}


class StartFailed(_Message, frozen=True):
    """The process cannot start; `message` is safe to show."""

    message: str


class Preview(_Message, frozen=True):
    """The sample as it stands; `output.stop_reason` is empty."""

    id: str
    output: Output
    elapsed_ms: float


class Result(_Message, frozen=True):
    """The one ending of a request that was served: `outputs` in order of index, one per sample."""

    id: str
    outputs: list[Output]
    timing: Timing


class Failed(_Message, frozen=True):
    """The one ending of a request that the process could not serve; `message` is safe to show."""

    id: str
    message: str


class StepStat(msgspec.Struct, frozen=True):
    """Steps of the loop that were alike: how many slots advanced, how long each took in seconds, how many they were."""

    batch: int
    seconds: float
    times: int = 1


class Batches(msgspec.Struct, frozen=True):
    """How large a model's batches may be, and how often since the last time memory was too little for one."""

    step: int
    decode: int
    shortages: int = 0


class Stats(_Message, frozen=True):
    """Numbers for the metrics, gathered since the last one.

    Attributes:
        steps, minimums, batches: by identity of the model.
        reserve_s: the decode reserve, likewise, in seconds.
        cpu_s: seconds of processor time since the last one.
        memory_bytes: the most that the process has had since its start.
    """

    running: int
    waiting: int
    steps: dict[str, list[StepStat]]
    reserve_s: dict[str, float]
    minimums: dict[str, Minimum]
    cpu_s: float
    memory_bytes: int
    batches: dict[str, Batches] = {}


class Encode(_Message, frozen=True):
    """Find the codes of a medium.

    Attributes:
        model: identity of the one that they are to be codes of.
        data: a file.
        media_type: of the file.
        fit: what becomes of it if it is not of a sample's size (`models.media.Fit`).
        lengths: numbers of codes, ascending, at each of which the squared error is wanted.
        most: pixels, or numbers of a sound, that the file may hold.
        remaining_ms: for how long an answer is of use.
    """

    id: str
    model: str
    data: bytes
    media_type: str
    fit: Fit
    lengths: list[int]
    most: int
    remaining_ms: float


class Offer(_Message, frozen=True):
    """From now on these models are there: the folder of the bundle of each, by identity."""

    bundles: dict[str, str]


class EncoderReady(_Message, frozen=True):
    """The encoder is warmed up."""


class CodingTiming(msgspec.Struct, frozen=True):
    """Where the time went, in milliseconds: from file to sample, from sample to codes, and back for the errors."""

    read_ms: float
    encode_ms: float
    decode_ms: float


class Encoded(_Message, frozen=True):
    """All K codes of a medium, and the squared errors that were asked for."""

    id: str
    codes: list[int]
    squared_errors: list[float]
    timing: CodingTiming


class Unusable(_Message, frozen=True):
    """The medium cannot be encoded; `message` is safe to show, and goes on after the name of what is meant."""

    id: str
    message: str
    too_large: bool = False


class TimeUp(_Message, frozen=True):
    """An answer would be of no use any more."""

    id: str


class Call(_Message, frozen=True):
    """A front would have a replica answer this. The sender has taken off what the way back costs, as in `Submit`.

    Attributes:
        clock: by which `submit.sent_at` is meant (`service.clock.clock_id`).
    """

    submit: Submit
    clock: str


class Told(_Message, frozen=True):
    """What a client wants of a request that a replica has."""

    message: Extend | Stop
    clock: str


class Taken(_Message, frozen=True):
    """A replica has the request, and will answer it."""

    id: str
    replica: str


class Answered(_Message, frozen=True):
    """The one ending of a request that a replica has served.

    Attributes:
        spent_ms: of the way there, as far as it was measured and taken off the deadline.
        held_ms: from its receipt until this was handed to the transport.
    """

    result: Result
    spent_ms: float
    held_ms: float


class Refused(_Message, frozen=True):
    """The one ending of a request that a replica does not serve.

    Attributes:
        slug: of the error; `message` is safe to show.
        minimum_ms: the deadline that would do, from its receipt on, if it is that which is too short.
        left_ms: the one that it had.
    """

    id: str
    replica: str
    slug: str
    message: str
    minimum_ms: float | None = None
    left_ms: float = 0.0


class Roster(_Message, frozen=True):
    """The models that a replica answers for.

    Attributes:
        manifests: `bundle.json` of each.
        aliases: what each stands for.
        minimums_ms: the smallest deadlines that would do, by identity, where they are known.
    """

    manifests: list[str]
    aliases: dict[str, str]
    minimums_ms: dict[str, float]


ToWorker: TypeAlias = Submit | Extend | Stop | Cancel | Remeasure | Drain
FromWorker: TypeAlias = Ready | StartFailed | Preview | Result | Failed | Stats
ToEncoder: TypeAlias = Encode | Offer
FromEncoder: TypeAlias = EncoderReady | StartFailed | Encoded | Unusable | TimeUp | Failed
FromReplica: TypeAlias = Taken | Preview | Answered | Refused
