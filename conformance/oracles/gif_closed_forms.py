"""The solution of the GIF equations between spikes, by partial fractions, in decimal arithmetic.

With rates α, β, γ the solution is made of the integrals

    φ(α, β)    = ∫₀ᵗ e^{−α(t−s)} e^{−βs} ds
    φ(α, β, γ) = ∫₀ᵗ e^{−α(t−s)} φ(β, γ)(s) ds

which are sums of exponentials over products of differences of rates, and where rates meet their
limits. Eighty digits leave no doubt about cancellation.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np

DIGITS = 80


def phi(rates: tuple[Decimal, ...], t: Decimal) -> Decimal:
    """φ of one, two or three rates."""
    if len(set(rates)) == len(rates):
        total = Decimal(0)
        for i, rate in enumerate(rates):
            term = (-rate * t).exp()
            for j, other in enumerate(rates):
                term = term / (other - rate) if j != i else term
            total += term
        return total
    if len(set(rates)) == 1:
        r = rates[0]
        return (-r * t).exp() * (t if len(rates) == 2 else t * t / 2)
    # Two of three are equal, r; the third is s: differentiate φ(r, s) by −r.
    r = next(rate for rate in rates if rates.count(rate) == 2)
    s = next(rate for rate in rates if rates.count(rate) == 1)
    d = s - r
    return (-r * t).exp() * (t / d - 1 / d**2) + (-s * t).exp() / d**2


def propagator(
    tau: float, R: float, k: list[float], a: float, b: float, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """E and e_c, correctly rounded: of (I_1 ... I_J in nA, V, V_th in mV); R in ohm."""
    with localcontext() as context:
        context.prec = DIGITS
        tau, R, a, b, t = (Decimal(float(x)) for x in (tau, R, a, b, dt))
        k = [Decimal(float(x)) for x in k]
        m, R = 1 / tau, R / 10**6  # 1 ohm nA is 10^-9 V
        n = len(k) + 2
        V, V_th = n - 2, n - 1
        E = np.zeros((n, n))
        for j, rate in enumerate(k):
            E[j, j] = phi((rate,), t)
            E[V, j] = R * m * phi((m, rate), t)
            E[V_th, j] = a * R * m * phi((b, m, rate), t)
        E[V, V] = phi((m,), t)
        E[V_th, V] = a * phi((b, m), t)
        E[V_th, V_th] = phi((b,), t)
        e_c = np.zeros(n)
        e_c[V] = R * m * phi((m, Decimal(0)), t)
        e_c[V_th] = a * R * m * phi((b, m, Decimal(0)), t)
    return E, e_c
