r"""Section 5 and Figs. 2, 3 and 4: what the paper shows, and what it says that this confirms.

The figures' own clips and runs are not public, so a row here judges the inference: whether what is
seen would confirm what is claimed. Lessons 08 to 10 make the figures' counterparts on the course's
model and print what they measure. Notation as in Section 4.3.
"""

from __future__ import annotations

from course.claims import figures_5 as figures
from course.claims.claim import Bound, Claim

CLAIMS = (
    Claim(
        id="figure_2",
        title="Fig. 2: shared and unshared tokens",
        source="Fig. 2 and Section 3.3",
        statement="Shared tokens ensure consistency across frames, unshared ones carry what is "
        "special to a frame. One prefix serves all timesteps, and in the last phase only shared "
        "tokens are trained.",
        verdict="repaired",
        reason="All of it can be built, and is in course.tokens. But shared tokens ensure nothing "
        "by themselves: two frames that see the same tokens ask with their own hidden states, and "
        "the answers can point in opposite directions. Frames come out equal only where their "
        "queries, that is their noise, are equal.",
        repaired=r"Frames that share their tokens keep their distance up to a factor: "
        r"$\|\tilde X_i - \tilde X_j\|_{2,\infty} \le \kappa\,\|X_i - X_j\|_{2,\infty}$ with "
        r"$\kappa = \frac{R_V R_Z\|W\|}{\sqrt{d}}$, the last factor of the repaired Theorem 4.10. "
        r"Where $\kappa < 1$ they bring frames together.",
        counterexample=figures.shared_tokens_answer_frames_in_opposite_ways,
        bound=Bound(r"\frac{R_V R_Z\|W\|}{\sqrt{d}}\,\|X_i - X_j\|_{2,\infty}",
                    figures.shared_token_bound),
        search=figures.search_figure_2,
        lesson="prompt_tokens",
    ),
    Claim(
        id="figure_3",
        title="Fig. 3: features grow alike, so the tokens are right",
        source="Fig. 3, for Theorem 4.10 and Corollary 4.15",
        statement="That adapter fine-tuning makes the attention features of neighbouring frames "
        r"alike confirms that it reduces $\|\Delta Z\|_F$ and aligns the meaning.",
        verdict="false",
        reason=r"An adapter changes weights and leaves the tokens as they are, so $\|\Delta Z\|_F$ "
        "is the same number with it and without it. And features grow alike in two ways: each "
        "comes nearer to its ideal, or all get the same part added. Here an adapter of rank 1 on "
        r"$W_V$ does the second: the similarity of two frames goes from 0 to nearly 1 while both "
        "go away from their ideal. Lesson 09 measures this on the course's model, per layer.",
        counterexample=figures.adapter_makes_frames_alike_and_wrong,
        lesson="lora_adapters",
    ),
    Claim(
        id="figure_4",
        title="Fig. 4: curves that confirm the theorems of Section 4.1",
        source="Fig. 4, for Theorem 4.1 and Lemma 4.2",
        statement="Descent on the temporal loss takes the similarity of neighbours towards 1 "
        "(left) and calms it (right), which confirms bounded and Lipschitz gradients.",
        verdict="repaired",
        reason="The temporal loss is 0 at every constant similarity. Descent on it may lower the "
        "mean similarity, as it does here. And curves of a similarity do not see lengths: divide "
        "all features by 1000 and the curve is the same, while gradients are 1000 times as long. "
        "So it cannot tell whether a gradient is bounded. Lesson 10 draws both panels for the "
        "course's model.",
        repaired="The right panel follows from the repaired Theorem 4.4: the loss is a mean square "
        "of changes of the similarity, descent with a small step lowers it, and with it the "
        r"variation: no two similarities are further apart than $\sqrt{(T-1)(T-2)L}$.",
        counterexample=figures.descent_lowers_the_similarity,
        bound=Bound(r"\max_t s_t - \min_t s_t \le \sqrt{(T-1)(T-2)L}", figures.variation_bound),
        search=figures.search_figure_4,
        lesson="video_edit",
    ),
    Claim(
        id="section_5",
        title="Section 5: similarity near 1 means a small error",
        source="Section 5",
        statement="A cosine similarity of neighbouring frames that nears 1 reflects a reduced "
        "alignment error.",
        verdict="repaired",
        reason="A frozen clip has similarity 1, whatever was asked for. If the ideal frames "
        "differ, as frames of a moving object do, then similarity 1 is itself an error. The right "
        "similarity is that of the ideal frames, and even that one says nothing of their content.",
        repaired=r"For ideal frames of length 1 with similarity $s^* \ge 0$, frames that are equal "
        r"up to their lengths stay at least $\sqrt{1 - s^*}$ away (both frames together), and some "
        "come as near as that.",
        counterexample=figures.frozen_frames_miss_ideals_that_differ,
        bound=Bound(r"\|\tilde X - X^*\|_F \ge \sqrt{1 - s^*}", figures.frozen_error),
        search=figures.search_section_5,
        lesson="video_edit",
    ),
)  # fmt: skip
