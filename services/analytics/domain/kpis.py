"""The catalogue of figures: formula, grain, clock and exclusions of each, and the one place they are made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.analytics.domain.counts import (
    ABANDONED_WAIT,
    ANSWERED_WAIT,
    ESTIMATE_ERROR,
    Counts,
    histogram_of,
)

DEFINITION_VERSION = 1
SHORT_ABANDON_MS = 5_000
DEFAULT_THRESHOLDS_MS = (20_000,)

QUEUE_ENTRY = ("when the contact entered the queue", "联络进入队列的时刻")
EVENT = ("when it happened", "事件发生的时刻")
NONE = ("none", "无")
ESTIMATE = ("a wait told to a customer", "一次预计等待播报")
QUEUES = ("queue", "channel", "tenant")
ALL = ("queue", "agent", "channel", "tenant")


@dataclass(frozen=True, slots=True)
class Definition:
    """
    One figure. `of` returns None where there is nothing to divide by: the figure is then left out.

    `title`, `formula`, `grain`, `clock` and `exclusions` are given in English and Chinese.
    """

    name: str
    unit: str
    title: tuple[str, str]
    formula: tuple[str, str]
    of: Callable[[Counts], float | None]
    grain: tuple[str, str] = ("a contact in a queue", "队列中的一次联络")
    clock: tuple[str, str] = QUEUE_ENTRY
    exclusions: tuple[str, str] = NONE
    dimensions: Sequence[str] = QUEUES


def _sum(*names: str) -> Callable[[Counts], float | None]:
    return lambda counts: float(sum(counts.get(name, 0) for name in names))


def _ratio(above: Sequence[str], below: Sequence[str]) -> Callable[[Counts], float | None]:
    def of(counts: Counts) -> float | None:
        divisor = sum(counts.get(name, 0) for name in below)
        return sum(counts.get(name, 0) for name in above) / divisor if divisor else None

    return of


def answered_within(counts: Counts, threshold_ms: int) -> int:
    """Return how many were answered within a threshold (exact on the histogram's bounds)."""
    return sum(n for bound, n in histogram_of(counts, ANSWERED_WAIT) if bound <= threshold_ms)


def abandoned_within(counts: Counts, threshold_ms: int) -> int:
    """Return how many left within a threshold."""
    return sum(n for bound, n in histogram_of(counts, ABANDONED_WAIT) if bound <= threshold_ms)


def quantile(histogram: Sequence[tuple[int, int]], q: float) -> float | None:
    """Return the upper bound of the step that the q-quantile (nearest rank) falls into, in ms."""
    total = sum(n for _, n in histogram)
    if not total:
        return None
    rank, seen = max(1, -(-int(q * total * 1_000_000) // 1_000_000)), 0
    for bound, n in histogram:
        seen += n
        if seen >= rank:
            return float(bound)
    return float(histogram[-1][0])


def _wait_quantile(q: float) -> Callable[[Counts], float | None]:
    return lambda counts: quantile(histogram_of(counts, ANSWERED_WAIT), q)


def _waiting(counts: Counts) -> float:
    gone = ("answered", "abandoned", "overflowed")
    return float(counts.get("offered", 0) - sum(counts.get(name, 0) for name in gone))


def _nps(counts: Counts) -> float | None:
    answers = counts.get("nps_answers", 0)
    balance = counts.get("nps_promoters", 0) - counts.get("nps_detractors", 0)
    return 100 * balance / answers if answers else None


def _estimate_bias(counts: Counts) -> float | None:
    told = counts.get("estimates", 0)
    return (counts.get("estimate_over_ms", 0) - counts.get("estimate_under_ms", 0)) / told if told else None


def _estimate_quantile(q: float) -> Callable[[Counts], float | None]:
    return lambda counts: quantile(histogram_of(counts, ESTIMATE_ERROR), q)


UNTAKEN = ("contacts that no agent took: how long they would have waited nobody knows", "未被接起的联络")


def _count(name: str, en: str, zh: str, what: str, dimensions: Sequence[str] = QUEUES) -> Definition:
    return Definition(name, "count", (en, zh), (what, what), _sum(name), dimensions=dimensions)


DEFINITIONS: tuple[Definition, ...] = (
    _count(
        "offered",
        "Offered",
        "接入队列量",
        "contacts that entered the queue, transfers, overflow and a lost agent's included",
    ),
    _count("answered", "Answered", "接听量", "offered contacts that an agent accepted", ALL),
    _count(
        "abandoned", "Abandoned", "放弃量", "offered contacts whose customer left before an agent accepted"
    ),
    _count(
        "overflowed",
        "Overflowed",
        "溢出量",
        "offered contacts moved to another queue by rule or supervisor, to voicemail or to a callback",
    ),
    _count("to_callback", "To callback", "转回呼量", "overflowed contacts whose customer is called back"),
    _count("to_voicemail", "To voicemail", "转留言量", "overflowed contacts that leave a message"),
    _count("rejected", "Rejected", "拒绝量", "contacts not admitted: unknown, closed or full queue"),
    Definition(
        "waiting",
        "count",
        ("Still waiting", "仍在等待"),
        ("offered - answered - abandoned - overflowed",) * 2,
        _waiting,
    ),
    Definition(
        "short_abandoned",
        "count",
        ("Short abandons", "短放弃量"),
        (f"abandoned with a wait <= {SHORT_ABANDON_MS} ms",) * 2,
        lambda counts: float(abandoned_within(counts, SHORT_ABANDON_MS)),
    ),
    Definition(
        "answer_rate",
        "ratio",
        ("Answer rate", "接通率"),
        ("answered / offered",) * 2,
        _ratio(["answered"], ["offered"]),
    ),
    Definition(
        "abandonment_rate",
        "ratio",
        ("Abandonment rate", "放弃率"),
        ("abandoned / offered",) * 2,
        _ratio(["abandoned"], ["offered"]),
    ),
    Definition(
        "asa_ms",
        "ms",
        ("Average speed of answer", "平均应答速度"),
        ("sum of waits of answered / answered, waits of zero included",) * 2,
        _ratio(["answer_wait_ms"], ["answered"]),
    ),
    Definition(
        "abandon_wait_ms",
        "ms",
        ("Mean wait of abandoned", "平均放弃时间"),
        ("sum of waits of abandoned / abandoned",) * 2,
        _ratio(["abandon_wait_ms"], ["abandoned"]),
    ),
    Definition(
        "wait_ms",
        "ms",
        ("Mean wait", "平均排队时间"),
        ("sum of waits of answered, abandoned and overflowed / their number",) * 2,
        _ratio(
            ["answer_wait_ms", "abandon_wait_ms", "overflow_wait_ms"], ["answered", "abandoned", "overflowed"]
        ),
    ),
    *(
        Definition(
            f"wait_p{int(q * 100)}_ms",
            "ms",
            (f"{int(q * 100)}th percentile of waits of answered", f"应答等待 {int(q * 100)} 分位"),
            ("nearest rank; the upper bound of its histogram step (10 ms, 100 ms, 1 s, 10 s)",) * 2,
            _wait_quantile(q),
        )
        for q in (0.5, 0.9, 0.95)
    ),
    Definition(
        "estimates",
        "count",
        ("Waits told", "预计等待播报量"),
        ("waits told to customers of answered contacts",) * 2,
        _sum("estimates"),
        grain=ESTIMATE,
        exclusions=UNTAKEN,
    ),
    Definition(
        "estimate_bias_ms",
        "ms",
        ("Bias of waits told", "预计等待偏差"),
        ("sum of (wait told - wait that came) / estimates; more than 0: customers waited less than told",)
        * 2,
        _estimate_bias,
        grain=ESTIMATE,
        exclusions=UNTAKEN,
    ),
    Definition(
        "estimate_error_ms",
        "ms",
        ("Mean absolute error of waits told", "预计等待平均绝对误差"),
        ("sum of |wait told - wait that came| / estimates",) * 2,
        _ratio(["estimate_over_ms", "estimate_under_ms"], ["estimates"]),
        grain=ESTIMATE,
        exclusions=UNTAKEN,
    ),
    Definition(
        "estimate_error_p90_ms",
        "ms",
        ("90th percentile of the error of waits told", "预计等待误差 90 分位"),
        ("nearest rank of |wait told - wait that came|; the upper bound of its histogram step",) * 2,
        _estimate_quantile(0.9),
        grain=ESTIMATE,
        exclusions=UNTAKEN,
    ),
    Definition(
        "handled",
        "count",
        ("Handled", "处理量"),
        ("conversations an agent finished or passed on",) * 2,
        _sum("handled"),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "transferred",
        "count",
        ("Transferred", "转接量"),
        ("conversations an agent passed on",) * 2,
        _sum("transferred"),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "transfer_rate",
        "ratio",
        ("Transfer rate", "转接率"),
        ("transferred / handled",) * 2,
        _ratio(["transferred"], ["handled"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "att_ms",
        "ms",
        ("Average talk time", "平均交谈时间"),
        ("sum of talk / handled; hold excluded",) * 2,
        _ratio(["talk_ms"], ["handled"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "hold_ms",
        "ms",
        ("Average hold time", "平均持线时间"),
        ("sum of hold / handled",) * 2,
        _ratio(["hold_ms"], ["handled"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "wrap_up_ms",
        "ms",
        ("Average wrap-up time", "平均事后处理时间"),
        ("sum of wrap-up / handled",) * 2,
        _ratio(["wrap_up_ms"], ["handled"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "aht_ms",
        "ms",
        ("Average handling time", "平均处理时长"),
        ("(talk + hold + wrap-up) / handled",) * 2,
        _ratio(["talk_ms", "hold_ms", "wrap_up_ms"], ["handled"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "surveys",
        "count",
        ("Surveys answered", "满意度回收量"),
        ("surveys answered",) * 2,
        _sum("surveys"),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "csat",
        "ratio",
        ("Customer satisfaction", "客户满意度"),
        ("answers of 4 or 5 / answers, on a scale of 1 to 5",) * 2,
        _ratio(["csat_satisfied"], ["csat_answers"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "csat_score",
        "score",
        ("Mean satisfaction", "平均满意度得分"),
        ("sum of answers / answers, 1 to 5",) * 2,
        _ratio(["csat_sum"], ["csat_answers"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "nps",
        "score",
        ("Net promoter score", "净推荐值"),
        ("% of 9-10 minus % of 0-6",) * 2,
        _nps,
        clock=EVENT,
        dimensions=ALL,
    ),
    Definition(
        "ces",
        "score",
        ("Customer effort", "客户费力度"),
        ("mean of answers, 1 to 7",) * 2,
        _ratio(["ces_sum"], ["ces_answers"]),
        clock=EVENT,
        dimensions=ALL,
    ),
    *(
        Definition(
            name,
            "count",
            (en, zh),
            (what,) * 2,
            _sum(f"outcome_{name}"),
            grain=("a contact", "一次联络"),
            clock=EVENT,
            dimensions=("channel", "tenant"),
        )
        for name, en, zh, what in (
            ("self_served", "Self-served", "自助解决量", "contacts that self-service ended"),
            (
                "abandoned_in_ivr",
                "Abandoned in IVR",
                "自助中放弃量",
                "contacts whose customer left in self-service",
            ),
            ("failed", "Failed", "失败量", "contacts that ended by a fault"),
        )
    ),
    Definition(
        "contacts",
        "count",
        ("Contacts", "联络总量"),
        ("contacts that began",) * 2,
        _sum("contacts"),
        grain=("a contact", "一次联络"),
        clock=EVENT,
        dimensions=("channel", "tenant"),
    ),
    *(
        Definition(
            name,
            "count",
            (en, zh),
            (what,) * 2,
            _sum(name),
            grain=("an offer", "一次派单"),
            clock=EVENT,
            dimensions=("agent",),
        )
        for name, en, zh, what in (
            ("offers", "Offers", "派单量", "contacts offered to the agent"),
            ("offers_not_answered", "Redirected on no answer", "无应答转回量", "offers that expired"),
            ("offers_declined", "Declined offers", "拒接量", "offers the agent declined"),
        )
    ),
    *(
        Definition(
            name,
            "ms",
            (en, zh),
            (what,) * 2,
            _sum(name),
            grain=("agent state", "座席状态"),
            clock=(
                "cut at the intervals' borders, once the state has ended",
                "按区间边界切分,状态结束后计入",
            ),
            dimensions=("agent", "tenant"),
        )
        for name, en, zh, what in (
            ("signed_in_ms", "Signed in", "在线时长", "time between sign-in and sign-out"),
            ("ready_ms", "Ready", "就绪时长", "time ready and idle"),
            ("offered_ms", "Ringing", "振铃时长", "time with an unanswered offer and nothing else"),
            ("busy_ms", "Busy", "服务时长", "time with at least one conversation"),
            ("wrap_up_state_ms", "In wrap-up", "整理时长", "time in wrap-up with no conversation"),
            ("not_ready_ms", "Not ready", "小休时长", "time not ready, for any reason"),
        )
    ),
    Definition(
        "occupancy",
        "ratio",
        ("Occupancy", "占线率"),
        ("(busy + wrap-up) / (busy + wrap-up + ready + ringing)",) * 2,
        _ratio(["busy_ms", "wrap_up_state_ms"], ["busy_ms", "wrap_up_state_ms", "ready_ms", "offered_ms"]),
        grain=("agent state", "座席状态"),
        clock=EVENT,
        exclusions=("time not ready", "不含小休"),
        dimensions=("agent", "tenant"),
    ),
)

SERVICE_LEVELS: tuple[tuple[str, str, Callable[[Counts, int], float]], ...] = (
    ("service_level", "answered within T / offered", lambda counts, t: counts.get("offered", 0)),
    (
        "service_level_left",
        "answered within T / (answered + abandoned)",
        lambda counts, t: counts.get("answered", 0) + counts.get("abandoned", 0),
    ),
    (
        "service_level_long",
        "answered within T / (answered + abandoned after T)",
        lambda counts, t: (
            counts.get("answered", 0) + counts.get("abandoned", 0) - abandoned_within(counts, t)
        ),
    ),
)


def figures(counts: Counts, thresholds_ms: Sequence[int] = DEFAULT_THRESHOLDS_MS) -> dict[str, float]:
    """Return every figure that is defined for these numbers, service levels as "<name>_<T>ms"."""
    made = {definition.name: definition.of(counts) for definition in DEFINITIONS}
    return {
        name: value
        for name, value in (*made.items(), *service_levels(counts, thresholds_ms))
        if value is not None
    }


def service_levels(counts: Counts, thresholds_ms: Sequence[int]) -> Iterator[tuple[str, float | None]]:
    """Yield the three variants of the service level at each threshold."""
    for threshold_ms in thresholds_ms:
        good = answered_within(counts, threshold_ms)
        for name, _, divisor in SERVICE_LEVELS:
            below = divisor(counts, threshold_ms)
            yield f"{name}_{threshold_ms}ms", good / below if below else None
