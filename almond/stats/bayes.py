"""Bayes factors of t tests: how much more likely the data are if there is an effect than if there is none.

Under the alternative the standardised effect has a Cauchy distribution around zero with scale r, the
Jeffreys-Zellner-Siow prior: Rouder, Speckman, Sun, Morey & Iverson (2009), Psychon. Bull. Rev. 16, 225,
equation 1 with the scale of Morey & Rouder's BayesFactor. Our own, because pingouin, which has it, is written
for whole numbers of units and would bring its plotting libraries with it; tests hold it against pingouin and
BayesFactor.
"""

from __future__ import annotations

import math

from scipy.integrate import quad

from almond.errors import InputError

PRIOR_SCALE = math.sqrt(2.0) / 2.0
"""r = .707: half of the prior's mass lies on standardised effects within .707 of zero."""


def jzs_bayes_factor(t: float, df: float, *, scale: float = PRIOR_SCALE) -> float:
    """Return BF10 of a one-sample t of n = df + 1 units, two-sided.

    With two random factors n are the units of the one that decides on ``df``; the prior is on the effect in
    standard deviations of the means of such units.

    :param df: above 0, whole or not. :param scale: r of the prior, above 0.
    :raises InputError: df or r out of range, or a t that is not finite.
    """
    if not (df > 0 and scale > 0 and math.isfinite(t)):
        raise InputError("Bayes factor", f"t = {t:g}, df = {df:g}, r = {scale:g}", "df and r above 0")
    units = df + 1.0
    # BF10 = int_0^inf (1 + n g)^(-1/2) [(1 + t^2 / df) / (1 + t^2 / ((1 + n g) df))]^((df + 1) / 2) p(g) dg
    # with p(g) = r (2 pi)^(-1/2) g^(-3/2) exp(-r^2 / (2 g)); g = r^2 / z^2 makes it 2 phi(z) on (0, inf).
    null = math.log1p(t * t / df)

    def integrand(z: float) -> float:
        ratio = 1.0 + units * scale * scale / (z * z)
        gain = 0.5 * (df + 1.0) * (null - math.log1p(t * t / (ratio * df)))
        return math.exp(gain - 0.5 * math.log(ratio) - 0.5 * z * z) * math.sqrt(2.0 / math.pi)

    value, _ = quad(integrand, 0.0, math.inf, epsabs=0.0, epsrel=1e-9, limit=200)
    return float(value)
