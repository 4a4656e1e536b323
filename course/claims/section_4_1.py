r"""Section 4.1: the verdicts on Theorems 4.1 and 4.4, Lemmas 4.2, 4.3, 4.5, and Eqs. 3 and 4.

Eqs. 3 and 4 come again as Eqs. 18 and 19 and are judged with this section. Throughout, $F_t$ is
the feature tensor of frame $t$, $s_t$ its cosine with the next frame, and $m > 0$ a number that
no norm $\|F_t\|$ falls below, where the paper has an upper one, $M$.
"""

from __future__ import annotations

from course.claims import descent_4_1 as descent
from course.claims import gradients_4_1 as gradients
from course.claims.claim import Bound, Claim
from course.temporal import gradient_bound, smoothness_bound

CLAIMS = (
    Claim(
        id="equation_3",
        title="Eq. 3: the cosine of two frames",
        source="Eq. 3 and Eq. 18, as Theorem 4.1 and Lemma 4.2 use them",
        statement=r"$\mathrm{Sim}(F, G) = \frac{\langle F, G\rangle}{\|F\|\,\|G\|}$. The "
        r"definition itself claims nothing; Lemma 4.2 takes its gradient for any $F_t$, $F_{t+1}$, "
        "and Theorem 4.1 calls the loss made of it differentiable.",
        verdict="repaired",
        reason="A zero tensor has no direction, so it has no angle with anything. No value can be "
        "filled in either: as F shrinks to zero along one ray the cosine stays 1, along the "
        "opposite ray it stays -1. Nothing in the network keeps features away from zero: an "
        "adapter of rank 1 can cancel a frame.",
        repaired=r"For $F, F', G \ne 0$ the cosine is smooth, and "
        r"$|\mathrm{Sim}(F, G) - \mathrm{Sim}(F', G)| \le \frac{2}{\|F\| + \|F'\|}\,\|F - F'\|$.",
        counterexample=gradients.cosine_jumps_at_zero,
        bound=Bound(r"\frac{2}{\|F\| + \|F'\|}", gradients.cosine_change_bound),
        search=gradients.search_equation_3,
        lesson="cosine_similarity",
    ),
    Claim(
        id="equation_4",
        title="Eq. 4: the temporal loss, with a frame too many",
        source="Eq. 4 against Eq. 19",
        statement=r"$L = \frac{1}{T-1}\sum_{t=1}^{T-1}\left(\mathrm{Sim}(F_t, F_{t+1}) - "
        r"\mathrm{Sim}(F_{t-1}, F_t)\right)^2$.",
        verdict="ill_typed",
        reason="If t counts frames, as in Section 4.1, the first term asks for frame 0, and there "
        "is none. (Under Eq. 4 the paper calls T the number of timesteps; only that reading could "
        "have a frame 0.) It matters what you do about it: with a copy "
        "of frame 1 in its place, only videos whose neighbours all agree have "
        "loss zero; Eq. 19 leaves the term out, and then every constant similarity will do. "
        "Eq. 19 has T-2 terms, though it still divides by T-1.",
        repaired=r"Eq. 19: the sum starts at $t = 2$. Then "
        r"$0 \le L \le \frac{4(T-2)}{T-1}$.",
        counterexample=gradients.padded_loss_differs,
        bound=Bound(r"\frac{4(T-2)}{T-1}", gradients.largest_loss),
        search=gradients.search_equation_4,
        lesson="temporal_loss",
    ),
    Claim(
        id="theorem_4_1",
        title="Theorem 4.1: a Lipschitz gradient",
        source="Theorem 4.1, with Eqs. 18 and 19",
        statement=r"If $\|F_t\| \le M$ for every frame, the temporal loss is differentiable and "
        "its gradient is Lipschitz continuous.",
        verdict="repaired",
        reason="The bound is on the wrong side. The loss only sees directions, so shrinking all "
        "frames by c leaves it as it is, while the same step turns a short frame further: the "
        "gradient grows by 1/c and its Lipschitz constant by 1/c squared. At zero frames there is "
        "no gradient at all. Long frames do no harm.",
        repaired=r"If $\|F_t\| \ge m > 0$ for every frame, the loss is smooth and "
        r"$\|\nabla^2 L\| \le \frac{32}{m^2(T-1)}$. So the gradient has this Lipschitz constant "
        r"on every segment along which the norms stay at $m$ or more.",
        counterexample=gradients.short_frames_are_steep,
        bound=Bound(r"\frac{32}{m^2(T-1)}", smoothness_bound),
        search=gradients.search_theorem_4_1,
        gap="No number below 32 serves every T, but short clips have smaller ones: in place of 32 "
        "the search finds 12.0 for T = 3, 20.9 for T = 4 and 28.1 for T = 6. For two videos "
        "whose segment passes shorter frames, a factor of pi/2 more is proved; no pair that needs "
        "it is known.",
        lesson="temporal_loss",
    ),
    Claim(
        id="lemma_4_2",
        title="Lemma 4.2: the gradient of one cosine",
        source="Lemma 4.2, Eq. 20",
        statement=r"If $\|F_t\| \le M$, then "
        r"$\|\nabla_{F_t}\mathrm{Sim}(F_t, F_{t+1})\| \le \frac{2}{M}$.",
        verdict="repaired",
        reason="One over a small number is large, so an upper bound on the norm bounds nothing "
        "here. A short frame turns quickly when it is pushed sideways. The proof names what is "
        "missing, nondegenerate features or a positive lower bound, but gives that bound no "
        "letter, and goes on with the upper one.",
        repaired=r"$\|\nabla_F\mathrm{Sim}(F, G)\| = \frac{\sqrt{1 - \mathrm{Sim}(F, G)^2}}"
        r"{\|F\|} \le \frac{1}{m}$ whenever $\|F\| \ge m > 0$. The printed bound holds for every "
        r"neighbour $G$ exactly where $\|F\| \ge M/2$; at a shorter frame some $G$ breaks it.",
        counterexample=gradients.short_frame_has_a_long_gradient,
        bound=Bound(r"\frac{1}{m}", gradients.cosine_gradient_bound),
        search=gradients.search_lemma_4_2,
        lesson="cosine_similarity",
    ),
    Claim(
        id="lemma_4_3",
        title="Lemma 4.3: the gradient of the loss",
        source="Lemma 4.3, Eqs. 21 and 60 to 66",
        statement=r"If $\|F_t\| \le M$, then "
        r"$\|\nabla_{F_t} L\| \le \frac{8(T-2)}{M(T-1)}$, and therefore the gradient is Lipschitz "
        r"continuous with constant $\frac{16}{M}$.",
        verdict="repaired",
        reason="It builds on Lemma 4.2, so short frames break it. Even with all norms equal to M "
        "the second half fails: a bounded slope does not keep the slope from changing fast, and "
        "the change must scale as one over the norm squared. The first half is too weak for long "
        "clips: a frame takes part in three differences at most, not in T-2. Nor does the printed "
        "8 come out of the proof, which ends with 16 (Eqs. 63 to 65).",
        repaired=r"If $\|F_t\| \ge m > 0$, then $\|\nabla_{F_t} L\| \le \frac{\kappa}{m(T-1)}$ "
        r"with $\kappa = 4$ for $T = 3$, $6.507$ for $T = 4$ and $8.977$ from $T = 5$ on. For "
        r"all frames together $\|\nabla L\| \le \frac{8}{m}\sqrt{\frac{L}{T-1}}$, and the "
        r"Lipschitz constant is that of Theorem 4.1.",
        counterexample=gradients.gradient_outruns_the_printed_constant,
        bound=Bound(r"\frac{\kappa}{m(T-1)}", gradient_bound),
        search=gradients.search_lemma_4_3,
        lesson="temporal_loss",
    ),
    Claim(
        id="theorem_4_4",
        title="Theorem 4.4: descent converges",
        source="Theorem 4.4, Eqs. 22 and 26 to 32",
        statement=r"If $\nabla L$ has Lipschitz constant $K$ and $\eta < \frac{2}{K}$, "
        r"the steps $\Theta \leftarrow \Theta - \eta\nabla L$ lower the loss every time and "
        "converge to a local minimum.",
        verdict="repaired",
        reason="That the loss falls follows from the hypothesis; the end does not. A point where "
        "the gradient vanishes need not be a minimum: from e, e, -e, the very worst video of three "
        "frames, descent never moves. On all features no K exists, as short frames bend the loss "
        "without limit. With the paper's own K = 16/M (Lemma 4.3), which is no Lipschitz constant, "
        "a permitted step can even raise the loss. And the loss depends on features, while the "
        "steps are taken on parameters.",
        repaired=r"Take the steps on the features themselves (two numbers a frame or more), with "
        r"$m_0$ the smallest norm at the start, $L_0 = \frac{32}{m_0^2(T-1)}$ and "
        r"$0 < \eta < \frac{2}{L_0}$. The gradient is "
        r"orthogonal to each frame, so norms never shrink, and each step lowers the loss by "
        r"$\eta(1 - \frac{\eta L_0}{2})\|\nabla L\|^2$ at least. The videos converge to a "
        r"stationary point. Every local minimum has loss 0, and a start with "
        r"$L < \frac{4}{(T-1)(T-2)}$ always ends in one.",
        counterexample=descent.descent_stays_at_the_worst_video,
        bound=Bound(r"\eta\left(1 - \tfrac{\eta L_0}{2}\right)\|\nabla L\|^2",
                    descent.guaranteed_decrease),
        search=descent.search_theorem_4_4,
        gap="The guarantee is nearly met at T = 60, and for short clips it is modest: at rate "
        "1/L_0 the search finds 0.86 of the true decrease for T = 6 and 0.987 for T = 20. With "
        "LoRA factors in place of features a norm can shrink, and the guarantee is lost.",
        lesson="gradient_descent",
    ),
    Claim(
        id="lemma_4_5",
        title="Lemma 4.5: convex in the similarities",
        source="Lemma 4.5, Eqs. 23 to 25",
        statement=r"$L = \frac{1}{T-1}\|D s\|^2$ is a convex quadratic function of the "
        r"similarities $s = (s_1, \dots, s_{T-1})$.",
        verdict="holds",
        reason="A sum of squares of linear terms is convex. Three remarks: D takes first "
        "differences of s, although it is called a second difference. Any constant s is a "
        "minimum, also 0 or -1, so zero loss does not mean that frames agree. And convex in s "
        "does not mean convex in the features, where the mean of two perfect videos can be one of "
        "the worst.",
        bound=Bound(r"L \le \frac{2 + 2\cos\frac{\pi}{T-1}}{T-1}\,\|s\|^2",
                    descent.largest_curvature_in_similarities),
        search=descent.search_lemma_4_5,
        lesson="temporal_loss",
    ),
)  # fmt: skip
