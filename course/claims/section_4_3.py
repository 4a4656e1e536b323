r"""Section 4.3: the verdicts on Theorem 4.10, Lemmas 4.11 to 4.14 and Corollary 4.15.

$\tilde X$ is the attention of queries $X$ to tokens $Z$, $X^*$ that of $X^*$ to $Z^*$, and
$\Delta Z = Z - Z^*$. $W = W_Q W_K^\top$, $V^* = Z^* W_V$, an index c means that the mean over the
tokens is subtracted, and $\|A\|_{2,\infty}$ is the largest Euclidean norm of a row.
"""

from __future__ import annotations

from course.attention import alignment_bound, reachability_gap
from course.claims import attention_4_3 as attention
from course.claims import tokens_4_3 as tokens
from course.claims.claim import Bound, Claim

CLAIMS = (
    Claim(
        id="theorem_4_10",
        title="Theorem 4.10: attention alignment",
        source="Theorem 4.10, Eqs. 43 and 44",
        statement=r"If $W_V$ is invertible with $\sigma_{\min}(W_V) \ge \delta$ and there are "
        r"enough tokens, then $\|\tilde X - X^*\|_F \le \gamma\,\|\Delta Z\|_F$ with "
        r"$\gamma = L_{\mathrm{softmax}}\frac{\|W_K\|\,\|W_V\|}{\delta}$.",
        verdict="repaired",
        reason=r"Values twice as large make the error twice as large, but $\gamma$ only sees "
        r"$\|W_V\| / \delta$, which stays. And $X$ has to be near $X^*$ as well: with "
        "perfect tokens, a query far from the ideal one gives an output far from it. Every "
        "$Z^*$ has some $X^*$, at times several, so that being a fixed point says nothing of "
        "meaning. Numbers of tokens and invertible weights play no part.",
        repaired=r"$\|\tilde X - X^*\|_{2,\infty} \le \left(\|W_V\| + "
        r"\frac{R_V\|W\|\,\|X\|_{2,\infty}}{\sqrt{d}}\right)\|\Delta Z\|_{2,\infty} + "
        r"\frac{R_V R_Z\|W\|}{\sqrt{d}}\,\|X - X^*\|_{2,\infty}$, where $R_V$ and $R_Z$ are radii "
        r"of balls around the rows of $V^*$ and $Z^*$; the numbers of positions and tokens do not "
        r"enter. If $X$ is a fixed point for $Z$ as well and the last factor is $\kappa < 1$, "
        r"then $\|X - X^*\| \le \frac{\gamma'}{1 - \kappa}\|\Delta Z\|$ with the first factor "
        r"as $\gamma'$. The same holds with Frobenius norms and the constants of Lemma 4.14.",
        counterexample=attention.values_ten_times_as_large,
        bound=Bound(
            r"\left(\|W_V\| + \frac{R_V\|W\|\,\|X\|_{2,\infty}}{\sqrt{d}}\right)"
            r"\|\Delta Z\|_{2,\infty} + \frac{R_V R_Z\|W\|}{\sqrt{d}}\,\|X - X^*\|_{2,\infty}",
            attention.row_bound,
        ),
        search=attention.search_theorem_4_10,
        gap="The bound is reached, but by settings in which some of its three terms vanish. How "
        "large all three can be at once is not known.",
        lesson="attention_bounds",
    ),
    Claim(
        id="lemma_4_11",
        title="Lemma 4.11: two terms of the error",
        source="Lemma 4.11, Eqs. 45 and 46",
        statement=r"$\tilde X - X^* = (P - P^*)V^* + P\,\Delta Z\,W_V$, where $P$ and $P^*$ are "
        "the attention weights: Term A and Term B.",
        verdict="holds",
        reason=r"It is algebra: add and subtract $PV^*$. The lemma cites Eqs. 17 and 18, and "
        "means 14 and 15, of which Eq. 14 needs other shapes first.",
        bound=Bound(r"\|\mathrm{Term\ A}\|_F + \|\mathrm{Term\ B}\|_F", attention.sum_of_the_terms),
        search=attention.search_lemma_4_11,
        lesson="attention_bounds",
    ),
    Claim(
        id="lemma_4_12",
        title="Lemma 4.12: Term A, the weights",
        source="Lemma 4.12, Eqs. 47 and 48",
        statement=r"$\|\mathrm{Term\ A}\|_F \le L_{\mathrm{softmax}}\|W_Q\|\,\|W_K\|\,\|V^*\|\,"
        r"\|\Delta Z\|_F$.",
        verdict="repaired",
        reason=r"The proof ends by dropping $\|X\|_F / \sqrt{d}$, and a long query sharpens the "
        r"softmax; normalised features of $M$ positions have $\|X\|_F$ near $\sqrt{Md}$. "
        r"It also takes the same query on both sides, although Eq. 43 has $X^*$ on one.",
        repaired=r"With one query $X$ on both sides, $\|\mathrm{Term\ A}\|_F \le "
        r"\frac{1}{2\sqrt{d}}\|X\|\,\|W\|\,\|V^*_c\|\,\|\Delta Z_c\|_F$. The Lipschitz constant of "
        r"softmax is exactly $\frac{1}{2}$, the norm of $\mathrm{diag}(p) - pp^\top$ at "
        r"$p = (\frac{1}{2}, \frac{1}{2})$.",
        counterexample=attention.long_query_beats_term_a,
        bound=Bound(
            r"\frac{1}{2\sqrt{d}}\|X\|\,\|W\|\,\|V^*_c\|\,\|\Delta Z_c\|_F", attention.term_a_bound
        ),
        search=attention.search_lemma_4_12,
        lesson="attention_bounds",
    ),
    Claim(
        id="lemma_4_13",
        title="Lemma 4.13: Term B, the values",
        source="Lemma 4.13, Eq. 49",
        statement=r"As $\|\mathrm{softmax}(\cdot)\|_F \le 1$, "
        r"$\|\mathrm{Term\ B}\|_F \le \|W_V\|\,\|\Delta Z\|_F$.",
        verdict="repaired",
        reason=r"Each row of the weights sums to one, and there are $M$ rows: their Frobenius norm "
        r"lies between $\sqrt{M/L}$ and $\sqrt{M}$. With the 4096 positions and 77 tokens of "
        "Stable Diffusion it is never below 7.29. The lemma is right for one position. The rank "
        r"of $W_V$ plays no part.",
        repaired=r"$\|\mathrm{Term\ B}\|_F \le \sqrt{M}\,\|W_V\|\,\|\Delta Z\|_F$, and row by row "
        r"$\|\mathrm{Term\ B}\|_{2,\infty} \le \|W_V\|\,\|\Delta Z\|_{2,\infty}$.",
        counterexample=attention.every_position_counts,
        bound=Bound(r"\sqrt{M}\,\|W_V\|\,\|\Delta Z\|_F", attention.term_b_bound),
        search=attention.search_lemma_4_13,
        lesson="attention_bounds",
    ),
    Claim(
        id="lemma_4_14",
        title="Lemma 4.14: both terms together",
        source="Lemma 4.14, Eqs. 50 and 51",
        statement=r"If $\|Z^*\| \le C$, then $\|\tilde X - X^*\|_F \le \gamma\,\|\Delta Z\|_F$ "
        r"with $\gamma = L_{\mathrm{softmax}}C\|W_Q\|\,\|W_K\|\,\|W_V\| + \|W_V\|$, which "
        r"simplifies to $L_{\mathrm{softmax}}\frac{\|W_K\|\,\|W_V\|}{\delta}$.",
        verdict="repaired",
        reason="The first form inherits the faults of both lemmas. The second does not follow from "
        r"it: the sum lost a term, and nothing lets constants go into $\delta$, which cannot be "
        r"larger than $\|W_V\|$ and stands below the line.",
        repaired=r"For one query on both sides $\|\tilde X - X^*\|_F \le \gamma'\|\Delta Z\|_F$ "
        r"with $\gamma' = \frac{\|X\|\,\|W\|\,\|V^*_c\|}{2\sqrt{d}} + \sqrt{M}\,\|W_V\|$. For the "
        r"query $X^*$ on the other side add $\kappa\|X - X^*\|_F$, "
        r"$\kappa = \frac{\|W\|\,\|Z^*_c\|\,\|V^*_c\|}{2\sqrt{d}}$.",
        counterexample=attention.sizes_of_stable_diffusion,
        bound=Bound(
            r"\left(\frac{\|X\|\,\|W\|\,\|V^*_c\|}{2\sqrt{d}} + \sqrt{M}\,\|W_V\|\right)"
            r"\|\Delta Z\|_F",
            alignment_bound,
        ),
        search=attention.search_lemma_4_14,
        gap="Each of the two terms is reached where the other vanishes; both at once are not.",
        lesson="attention_bounds",
    ),
    Claim(
        id="corollary_4_15",
        title="Corollary 4.15: enough tokens align exactly",
        source="Corollary 4.15",
        statement=r"If $N_s \ge d$ and $N_u \ge d$, the tokens span $\mathbb{R}^d$, so that "
        r"$\|\Delta Z\|_F$ and with it the alignment error can be brought to zero.",
        verdict="false",
        reason="Many tokens need not span anything, as all may be equal; a span is no reason for "
        r"$\Delta Z = 0$, and the text tokens in $Z$ are frozen. With the ideal query $X^*$ itself "
        r"the corollary is trivial, as $Z = Z^*$ needs no number of tokens; but the query is $X$, "
        "and with it even perfect tokens miss. The weights are frozen: "
        r"with $q_i = (XWW_V^{-\top})_i / \sqrt{d}$ every set of tokens gives position i the "
        r"gradient at $q_i$ of one convex function, $\log\sum_l e^{v_l \cdot q}$. So "
        r"$\langle\tilde x_i - \tilde x_j, q_i - q_j\rangle \ge 0$, and targets $y$ with "
        r"$\langle y_i - y_j, q_i - q_j\rangle = -c < 0$ stay at least "
        r"$\frac{c}{\sqrt{2}\,\|q_i - q_j\|}$ away, with any number of tokens. What is true: two "
        "or three positions, or queries that are affinely independent, can be aligned exactly by "
        "finitely many free tokens if the targets are strictly cyclically monotone.",
        counterexample=tokens.order_cannot_be_reversed,
        bound=Bound(
            r"\|\tilde X - Y\|_F \ge \frac{c}{\sqrt{2}\,\|q_i - q_j\|}", reachability_gap
        ),
        search=tokens.search_corollary_4_15,
        gap="The bound is about pairs. For four positions on a line even strictly rising targets "
        "can be out of reach, as 0, 0.001, 0.5, 0.501 at 0, 1, 2, 3 are; which targets are within "
        "reach there is not known.",
        lesson="prompt_tokens",
    ),
)  # fmt: skip
