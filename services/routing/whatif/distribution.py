"""Times that are drawn: how long customers talk and wait, how long agents ring and wrap up."""

from math import inf, log, sqrt
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]  # seconds
Positive = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]  # seconds


class _Distribution(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Distribution):
    """The same time always."""

    kind: Literal["constant"] = "constant"
    value_s: Time

    def draw(self, chance: Random) -> float:
        return self.value_s


class Exponential(_Distribution):
    """Times without memory: what Erlang's formulas take talk and patience for."""

    kind: Literal["exponential"] = "exponential"
    mean_s: Positive

    def draw(self, chance: Random) -> float:
        return chance.expovariate(1 / self.mean_s)


class Lognormal(_Distribution):
    """
    Times whose logarithms are normal, as those of service mostly are; `cv` is deviation / mean.

    Source: L. Brown et al., "Statistical Analysis of a Telephone Call Center", JASA 100 (2005), section 4.
    """

    kind: Literal["lognormal"] = "lognormal"
    mean_s: Positive
    cv: Annotated[float, Field(gt=0, le=10)] = 1.0

    def draw(self, chance: Random) -> float:
        variance = log(1 + self.cv**2)
        return chance.lognormvariate(log(self.mean_s) - variance / 2, sqrt(variance))


class Sample(_Distribution):
    """One of the times seen, each as likely as the others."""

    kind: Literal["sample"] = "sample"
    values_s: Annotated[tuple[Time, ...], Field(min_length=1, max_length=10_000)]

    def draw(self, chance: Random) -> float:
        return chance.choice(self.values_s)


class Never(_Distribution):
    """A time that does not come: who waits like this never leaves."""

    kind: Literal["never"] = "never"

    def draw(self, chance: Random) -> float:
        return inf


Distribution = Annotated[Constant | Exponential | Lognormal | Sample | Never, Field(discriminator="kind")]
