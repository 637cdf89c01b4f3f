"""The pool in the words of the gRPC contract."""

from collections.abc import Iterable
from datetime import datetime

from libs.events.queue import Need
from libs.rpc.common.v1.common_pb2 import Identity, Words
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.structs import stamp, struct_of
from services.routing.domain import counterfactual, match, waits, words
from services.routing.domain.callback import Callback
from services.routing.domain.model import EXCLUSIVE, Agent, Contact, Held, Pool, Queue, to_ms
from services.routing.store import Decision


def agent_of(agent: Agent, pool: Pool) -> pb.Agent:
    state, reason = agent.state()
    config = agent.config
    load = agent.load()
    channels = [
        pb.ChannelLoad(
            channel=channel,
            load=load.get(channel, 0),
            capacity=config.capacity.get(channel, 0),
            state=_channel_state(agent, channel),
        )
        for channel in sorted({*config.capacity, *load})
    ]
    return pb.Agent(
        agent_id=agent.agent_id,
        pool_id=pool.pool_id,
        name=config.name,
        presence=state,
        reason=reason,
        since=stamp(agent.entered.since),
        channels=channels,
        skills=[pb.Skill(name=name, level=level) for name, level in sorted(config.skills.items())],
        queue_ids=[key for key, queue in sorted(pool.queues.items()) if match.serves(agent, queue)],
        contacts=[_held(held) for held in agent.holds.values()],
        team_id=config.team,
        idle_since=stamp(agent.idle_since) if state == "ready" else None,
    )


def _channel_state(agent: Agent, channel: str) -> str:
    states = {held.state for held in agent.holds.values() if held.channel == channel}
    for held, state in (("assigned", "busy"), ("offered", "offered"), ("wrap_up", "wrap_up")):
        if held in states:
            return state
    if not agent.signed_in:
        return "signed_out"
    if channel in EXCLUSIVE and agent.holds:
        return agent.state()[0]
    return agent.wants


def _held(held: Held) -> pb.HeldContact:
    return pb.HeldContact(
        interaction_id=held.contact_id,
        session_id=held.session_id,
        queue_id=held.queue_id,
        channel=held.channel,
        state=held.state,
        since=stamp(held.since),
    )


def needs_of(needs: Iterable[Need]) -> list[pb.Need]:
    return [
        pb.Need(
            skill=need.skill, min_level=need.level, hard=need.hard, weight=0.0 if need.hard else need.weight
        )
        for need in needs
    ]


def queue_of(queue: Queue, pool: Pool, now: datetime) -> pb.Queue:
    config = queue.config
    waiting = [
        each
        for each in pool.contacts.values()
        if each.queue_id == config.queue_id and each.state != "assigned"
    ]
    here = [agent for agent in pool.agents.values() if agent.on_duty and match.serves(agent, queue)]
    return pb.Queue(
        queue_id=config.queue_id,
        pool_id=pool.pool_id,
        name=Words(en=config.name, zh=config.name_zh),
        channels=sorted(
            {channel for agent in here for channel, most in agent.config.capacity.items() if most}
        ),
        needs=needs_of(config.needs),
        priority=config.priority,
        offer_timeout_ms=round(config.offer_timeout_s * 1000),
        wrap_up_ms=round(config.wrap_up_s * 1000),
        service_level_target=config.service_level_target,
        service_level_threshold_ms=round(config.service_level_s * 1000),
        waiting=len(waiting),
        longest_wait_ms=max((to_ms(now - each.since) for each in waiting), default=0),
        agents_ready=sum(
            any(not match.barred(agent, channel) for channel in agent.config.capacity) for agent in here
        ),
        agents_signed_in=len(here),
    )


def waiting_of(contact: Contact, queue: Queue, now: datetime) -> pb.WaitingContact:
    return pb.WaitingContact(
        interaction_id=contact.contact_id,
        session_id=contact.session_id,
        queue_id=contact.queue_id,
        channel=contact.channel,
        state=contact.state,
        queued_at=stamp(contact.since),
        waited_ms=to_ms(now - contact.since),
        priority=match.urgency(contact, queue, now),
        needs=needs_of(match.needs_of(contact, queue, match.stage_of(contact, queue, now))),
        customer_id=contact.customer_id,
        preferred_agent_id=contact.preferred_agent_id,
        offered_agent_id=contact.agent_id,
        failed_offers=contact.failed_offers,
    )


def pool_of(pool: Pool, now: datetime) -> pb.GetPoolResponse:
    unserved = [each for each in pool.contacts.values() if each.state != "assigned"]
    return pb.GetPoolResponse(
        pool_id=pool.pool_id,
        agents=[agent_of(agent, pool) for _, agent in sorted(pool.agents.items())],
        queues=[queue_of(queue, pool, now) for _, queue in sorted(pool.queues.items())],
        waiting=[
            waiting_of(each, pool.queues[each.queue_id], now)
            for each in match.in_order(unserved, pool.queues, now)
        ],
        as_of=stamp(now),
    )


def callback_of(callback: Callback, pool: Pool) -> pb.Callback:
    contact = pool.contacts.get(callback.callback_id)
    state = "scheduled" if callback.due_at else contact.state if contact else "started"
    return pb.Callback(
        callback_id=callback.callback_id,
        pool_id=pool.pool_id,
        queue_id=callback.queue_id,
        state=state,
        due_at=stamp(callback.due_at),
        requested_at=stamp(callback.requested_at),
        requested_by=callback.by,
        interaction_id=callback.contact_id,
        customer_id=callback.customer_id,
        channel=callback.channel,
        language=callback.language,
        reason=callback.reason,
        identities=[Identity(kind=each.kind, value=each.value) for each in callback.identities],
    )


def decision_of(decision: Decision) -> pb.Decision:
    """Return a decision record with everything in it in words too."""
    record = decision.record
    able = [each.agent_id for each in record.candidates if not each.excluded_by]
    explanation = words.of_rule(record.rule, record.chosen_agent_id, len(able), record.considered)
    candidates = []
    for each in record.candidates:
        exclusion, why = words.of_exclusion(each.excluded_by)
        candidate = pb.Candidate(
            agent_id=each.agent_id,
            eligible=not each.excluded_by,
            exclusion=exclusion,
            explanation=Words(en=why.en, zh=why.zh),
            score=each.score,
            factors={} if each.excluded_by else {"soft_needs": each.score, "idle_ms": float(each.idle_ms)},
            idle_ms=each.idle_ms,
            ranks=each.ranks,
            obstacles=each.obstacles,
            facts=struct_of(each.facts),
        )
        candidates.append(candidate)
    return pb.Decision(
        decision_id=record.decision_id,
        interaction_id=record.contact_id,
        session_id=record.session_id,
        queue_id=record.queue_id,
        pool_id=record.pool_id,
        decided_at=stamp(decision.at),
        rule=record.rule,
        candidates=candidates,
        chosen_agent_id=record.chosen_agent_id,
        alternative_agent_ids=[agent_id for agent_id in able if agent_id != record.chosen_agent_id],
        needs=needs_of(words.read_need(text) for text in record.needs),
        waited_ms=record.waited_ms,
        explanation=Words(en=explanation.en, zh=explanation.zh),
        strategy_id=record.strategy_id,
        strategy_version=record.strategy_version,
        stage=record.stage,
        order=record.order,
        score_formula=record.score,
        filters=[pb.AskedFilter(filter_id=each.filter_id, keep=each.keep) for each in record.filters],
        facts=struct_of(record.facts),
        would_have_changed=[
            pb.Change(agent_id=each.agent_id, what=each.what, explanation=Words(en=each.en, zh=each.zh))
            for each in counterfactual.changes_of(record)
        ],
    )


def estimate_of(queue: Queue, pool: Pool, priority: float, now: datetime) -> pb.EstimateWaitResponse:
    """Say how long a contact that joins now will wait; nothing where nobody is there or nothing is known."""
    own = queue.config.priority + priority
    waiting = (each for each in pool.contacts.values() if each.queue_id == queue.config.queue_id)
    ahead = sum(each.state == "waiting" and match.urgency(each, queue, now) >= own for each in waiting)
    answer = pb.EstimateWaitResponse(ahead=ahead, as_of=stamp(now))
    here = [agent for agent in pool.agents.values() if agent.on_duty and match.serves(agent, queue)]
    channels = {channel for agent in here for channel in agent.config.capacity}
    at_once = max((waits.servers(queue, channel, here) for channel in channels), default=0)
    free = any(not match.barred(agent, channel) for agent in here for channel in channels)
    if free and not ahead:
        answer.estimated_wait_ms = 0
    elif at_once and queue.handled:
        answer.estimated_wait_ms = waits.estimate_ms(ahead + 1, queue, at_once)
    return answer
