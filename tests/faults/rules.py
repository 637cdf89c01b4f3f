"""All rules, and how they are applied."""

from collections.abc import Mapping

from tests.faults.evidence import Evidence, Finding, Rule
from tests.faults.rules_of_contacts import (
    agent_states_tile,
    figures_agree,
    legal_transitions,
    no_double_assignment,
    nothing_lost,
    one_effect,
    recordings_complete,
    sequence_without_gap,
)
from tests.faults.rules_of_platform import (
    acknowledged_is_kept,
    all_consumed,
    answers_are_fair,
    bounded,
    discreet,
    sockets_without_gap,
    tenants_apart,
    time_is_sane,
)

RULES: Mapping[str, Rule] = {
    "I1": nothing_lost,
    "I2": no_double_assignment,
    "I3": legal_transitions,
    "I4": sequence_without_gap,
    "I5": one_effect,
    "I6": figures_agree,
    "I7": recordings_complete,
    "I8": tenants_apart,
    "I9": agent_states_tile,
    "I10": bounded,
    "I11": acknowledged_is_kept,
    "I12": all_consumed,
    "I13": discreet,
    "I14": time_is_sane,
    "S": sockets_without_gap,
    "A": answers_are_fair,
}


def check(evidence: Evidence, rules: Mapping[str, Rule] = RULES) -> list[Finding]:
    """Return what each rule has found."""
    findings = []
    for name, rule in rules.items():
        found = list(rule(evidence))
        breaches = tuple(each for each in found if isinstance(each, str))
        says = (rule.__doc__ or "").partition(": ")[2]
        findings.append(Finding(name, says, sum(each for each in found if isinstance(each, int)), breaches))
    return findings
