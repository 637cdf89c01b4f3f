"""Decision records in words for people, in English and Chinese."""

from collections.abc import Collection
from typing import NamedTuple

from libs.events.queue import Need


class Words(NamedTuple):
    en: str
    zh: str


_RULES = {
    "preferred_agent": Words(
        "{agent} is the agent preferred for this customer and was free",
        "{agent} 是该客户的首选坐席，且当时空闲",
    ),
    "named_agent": Words(
        "{agent} was named in the transfer and was free", "转接时指定了 {agent}，且其当时空闲"
    ),
    "only_candidate": Words(
        "{agent} was the only agent free and able to serve the contact",
        "{agent} 是当时唯一空闲且满足要求的坐席",
    ),
    "best_score": Words(
        "{agent} meets the preferred skills best ({able} agents were able)",
        "在 {able} 名可选坐席中，{agent} 的优先技能匹配度最高",
    ),
    "least_loaded": Words(
        "{agent} had the fewest contacts of the {able} agents who fit equally well",
        "在匹配度相同的 {able} 名可选坐席中，{agent} 手上的联络最少",
    ),
    "longest_idle": Words(
        "{agent} had been idle longest of the {able} agents who fit equally well",
        "在匹配度相同的 {able} 名可选坐席中，{agent} 空闲时间最长",
    ),
    "least_occupied": Words(
        "{agent} has had the least to do since signing in, of the {able} agents who fit equally well",
        "在匹配度相同的 {able} 名可选坐席中，{agent} 签入以来占线率最低",
    ),
    "round_robin": Words(
        "it was the turn of {agent}: of the {able} agents who fit equally well, the longest without an offer",
        "在匹配度相同的 {able} 名可选坐席中，轮到 {agent}：其上次派单时间最早",
    ),
    "random": Words(
        "{agent} was drawn by lot from the {able} agents who fit equally well",
        "在匹配度相同的 {able} 名可选坐席中随机抽取了 {agent}",
    ),
    "together": Words(
        "{agent} is best for all contacts that were matched together, of the {able} agents able for this one",
        "在 {able} 名可选坐席中，{agent} 使同批联络的总体匹配最优",
    ),
    "fewest_skills": Words(
        "{agent} has the fewest skills of the {able} agents otherwise equal: the versatile stay free",
        "在其他条件相同的 {able} 名可选坐席中，{agent} 技能最少，多技能坐席留给更需要的联络",
    ),
    "agent_id": Words(
        "{agent} comes first by id: the {able} able agents were equal in everything else",
        "{able} 名可选坐席其他条件完全相同，按工号顺序选择 {agent}",
    ),
    "no_agent": Words(
        "none of the {considered} agents could take the contact, so it waits",
        "{considered} 名坐席均无法接待，联络继续排队",
    ),
}

_EXCLUSIONS = {
    "signed_out": Words("not signed in", "未签入"),
    "not_ready": Words("not ready", "未就绪"),
    "outside_schedule": Words("outside his schedule", "不在班次时间内"),
    "offered": Words("is being offered another contact", "正在被分配其他联络"),
    "wrap_up": Words("wraps up another contact", "正在进行话后整理"),
    "busy": Words("is busy with a contact that excludes others", "正忙于独占型联络"),
    "no_capacity": Words("has no place left on this channel", "该渠道接待数已满"),
    "missing_skill": Words("lacks {what} at the level required", "缺少所需等级的技能 {what}"),
    "preferred_agent": Words("the contact still waits for its preferred agent", "联络仍在等待首选坐席"),
    "same_contact": Words("still wraps up this very contact", "仍在整理同一联络"),
    "passed_it_on": Words("has passed this contact on", "该联络由其转出"),
    "together": Words("the contact waits for others, to be matched with them", "联络等待与同批联络一起匹配"),
    "excluded": Words("is excluded for this contact", "该联络排除此坐席"),
    "filter": Words("does not pass the filter {what}", "不满足筛选条件 {what}"),
    "reserved": Words("is kept free by the reserve {what}", "因预留规则 {what} 保持空闲"),
}

BY_NAME = frozenset({"preferred_agent", "named_agent"})  # rules that look at one agent only
TOGETHER = "together"

_LOST = {
    "best_score": Words("a score above {chosen} instead of {theirs:g}", "得分高于 {chosen}，而非 {theirs:g}"),
    "least_loaded": Words("fewer than {theirs:g} contacts at hand", "手上的联络少于 {theirs:g} 个"),
    "longest_idle": Words("a longer idle time", "空闲时间更长"),
    "fewest_skills": Words("fewer than {theirs:g} skills", "技能少于 {theirs:g} 项"),
    "least_occupied": Words(
        "an occupancy below {chosen} instead of {theirs:.0%}", "占线率低于 {chosen}，而非 {theirs:.0%}"
    ),
    "round_robin": Words("a longer time without an offer", "更久未被派单"),
    "random": Words("a better lot", "抽签更优"),
}
_SIGNS = {"best_score": -1.0}  # a rank of it is the score with its sign turned


def of_rule(rule: str, agent_id: str, able: int, considered: int) -> Words:
    """Say why the agent was chosen, or why nobody was; a rule unknown here speaks for itself."""
    words = _RULES.get(rule, Words(rule, rule))
    return Words(*(text.format(agent=agent_id, able=able, considered=considered) for text in words))


def of_exclusion(code: str) -> tuple[str, Words]:
    """Return the rule that excluded an agent, and the same in words; no words where nothing did."""
    if not code:
        return "", Words("", "")
    name, _, what = code.partition(":")
    words = _EXCLUSIONS.get(name, Words(name, name))
    return name, Words(*(text.format(what=what) for text in words))


def of_lost(agent_id: str, chosen_id: str, rule: str, mine: float, theirs: float) -> Words:
    """Say what the next best would have needed under the rule in which he lost."""
    sign = _SIGNS.get(rule, 1.0)
    chosen = f"{mine:.0%}" if rule == "least_occupied" else f"{sign * mine:g}"
    lost = _LOST.get(rule, Words(rule, rule))
    en, zh = (text.format(chosen=chosen, theirs=sign * theirs) for text in lost)
    return Words(
        f"{agent_id} would have been chosen before {chosen_id} with {en}",
        f"若{zh}，将先于 {chosen_id} 选择 {agent_id}",
    )


def without_preference(agent_id: str, preferred_id: str) -> Words:
    return Words(
        f"without the preference for {preferred_id}, {agent_id} would have been chosen",
        f"若未指定 {preferred_id}，将选择 {agent_id}",
    )


def without_obstacle(agent_id: str, obstacle: Words) -> Words:
    return Words(
        f"{agent_id} would have been chosen but for one thing: {obstacle.en}",
        f"若非“{obstacle.zh}”，将选择 {agent_id}",
    )


def as_text(needs: Collection[Need]) -> tuple[str, ...]:
    """Return needs as decision records have them: "hard <level> <skill>", "soft <level> <weight> <skill>"."""
    return tuple(
        f"hard {need.level} {need.skill}" if need.hard else f"soft {need.level} {need.weight:g} {need.skill}"
        for need in needs
    )


def read_need(text: str) -> Need:
    """Return the need that a decision record has as text."""
    kind, *rest = text.split(" ")
    if kind == "hard":
        level, skill = rest
        return Need(skill=skill, level=int(level))
    level, weight, skill = rest
    return Need(skill=skill, level=int(level), hard=False, weight=float(weight))
