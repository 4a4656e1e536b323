r"""Section 3: the verdicts on Eqs. 1 to 17, the preliminaries and the method.

Eqs. 3 and 4, which come again as Eqs. 18 and 19, are judged with Section 4.1. $\alpha_t$ is the
factor of one step and $\bar\alpha_t$ the running product. A "N(0, 1)" below is data of independent
standard normal numbers, for which the exact noise predictor is known.
"""

from __future__ import annotations

from course.claims import attention_3
from course.claims import preliminaries_3 as checks
from course.claims.claim import Bound, Claim

CLAIMS = (
    Claim(
        id="equation_1",
        title="Eq. 1: the step of the decoder",
        source="Eq. 1",
        statement=r"$x_{t+1} = x_t + \epsilon_t - \theta(x_t, t)$, with the predicted noise "
        r"$\epsilon_t$ and the UNet $\theta$.",
        verdict="repaired",
        reason="The predicted noise is what the UNet gives out, so the two cancel and nothing "
        "moves. The factors of the noise schedule are missing, and with them any way from data to "
        "noise.",
        repaired=r"DDIM inversion: $x_{t+1} = \sqrt{\bar\alpha_{t+1} / \bar\alpha_t}\,(x_t - "
        r"\sqrt{1 - \bar\alpha_t}\,\epsilon_t) + \sqrt{1 - \bar\alpha_{t+1}}\,\epsilon_t$ with "
        r"$\epsilon_t = \epsilon_\theta(x_t, t)$ or, as in this course, "
        r"$\epsilon_\theta(x_t, t+1)$.",
        counterexample=checks.noising_leaves_the_data_as_it_is,
        lesson="ddim_inversion",
    ),
    Claim(
        id="equation_2",
        title="Eq. 2: features with a low-rank adapter",
        source="Eq. 2",
        statement=r"$F^t_{l,b} = W_0 x + B_{l,b}A_{l,b}x$ with learnable low-rank $A$ and $B$.",
        verdict="ill_typed",
        reason="The left side depends on t, the right side does not; shapes, rank and the factor "
        "that scales the adapter are not given. And no lower bound on the norm of features comes "
        "with it, which Section 4.1 needs: one adapter of rank 1 sets the features of a given x "
        "to zero.",
        repaired=r"$F^t = W_0 x_t + s\,BAx_t$ with $A$ of size $r \times d$, $B$ of size "
        r"$d' \times r$ and $s = \frac{\alpha}{r}$. Then $\|F^t - W_0x_t\| \le "
        r"s\,\|B\|\,\|A\|\,\|x_t\|$.",
        counterexample=checks.adapter_cancels_a_frame,
        bound=Bound(r"s\,\|B\|\,\|A\|\,\|x\|", checks.adapter_change_bound),
        search=checks.search_equation_2,
        lesson="lora_adapters",
    ),
    Claim(
        id="equation_5",
        title="Eq. 5: the diffusion loss",
        source="Eq. 5",
        statement=r"$L_{\mathrm{diffusion}} = E\|\epsilon - \epsilon_\theta(x_t, t)\|^2$, the "
        "squared error of the predicted noise.",
        verdict="holds",
        reason="This is the usual loss, although the introduction calls it a binary "
        "cross-entropy. It does not reach 0: a noisy latent does not tell its noise. For N(0, 1) "
        r"no predictor does better than $\bar\alpha_t$ per number, which is nearly 1 at small t.",
        bound=Bound(
            r"E(\epsilon - \epsilon_\theta)^2 \ge \bar\alpha_t \quad\text{for data } N(0, 1)",
            checks.least_diffusion_loss,
        ),
        search=checks.search_equation_5,
        lesson="ddim_inversion",
    ),
    Claim(
        id="equation_6",
        title="Eq. 6: the total loss",
        source="Eq. 6",
        statement=r"$L_{\mathrm{total}} = \lambda_{\mathrm{temporal}}L_{\mathrm{temporal}} + "
        r"\lambda_{\mathrm{diffusion}}L_{\mathrm{diffusion}}$ with weights 1 and 0.01.",
        verdict="holds",
        reason="It is the definition of a weighted sum, with the weights of Section 3.2. But "
        "descent on it lowers the sum, and the temporal part may rise meanwhile (the lesson on "
        "gradient descent shows a run), by at most "
        r"$\frac{\lambda_{\mathrm{diffusion}}}{\lambda_{\mathrm{temporal}}}$ times what "
        r"$L_{\mathrm{diffusion}}$ falls by. The weights favour collapsed features 100 to 1, as "
        "features that are all positive multiples of one tensor have temporal loss 0. The released "
        "code of He et al. has the weights the other way round.",
        lesson="lora_adapters",
    ),
    Claim(
        id="equation_7",
        title="Eq. 7: the reverse process",
        source="Eq. 7",
        statement=r"$p_\theta(x_{t-1} \mid x_t) = N(\mu_\theta(x_t, t), \Sigma_\theta(t))$.",
        verdict="holds",
        reason="It is the definition of an ancestral sampler. The covariance is free here and "
        r"becomes $(1 - \alpha_{t-1})I$ in Eq. 8, which is judged there. A step that draws at "
        "random is not an inversion.",
        lesson="ddim_inversion",
    ),
    Claim(
        id="equation_8",
        title="Eq. 8: a step of DDIM inversion",
        source="Eq. 8",
        statement=r"$x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{1 - \alpha_t}"
        r"{\sqrt{1 - \bar\alpha_t}}\epsilon_\theta\right) + \sqrt{1 - \alpha_{t-1}}\,z$ is the "
        "step of DDIM inversion.",
        verdict="repaired",
        reason="It goes from noise to data, so it samples and does not invert, and it adds fresh "
        "noise, so nothing could undo it. Its mean is that of DDPM. Its variance has the wrong "
        r"index: DDPM takes $1 - \alpha_t$ or a little less. The noise it takes off is nearly "
        "twice what DDIM takes off.",
        repaired=r"DDIM inversion has no noise and goes up: $x_{t+1} = \sqrt{\bar\alpha_{t+1} / "
        r"\bar\alpha_t}\,(x_t - \sqrt{1 - \bar\alpha_t}\,\epsilon_\theta) + "
        r"\sqrt{1 - \bar\alpha_{t+1}}\,\epsilon_\theta$ with $\epsilon_\theta = "
        r"\epsilon_\theta(x_t, t)$ or, as in this course, $\epsilon_\theta(x_t, t+1)$. "
        r"The weight of the predicted noise in "
        r"Eq. 8 is $1 + \sqrt{\frac{\alpha_t - \bar\alpha_t}{1 - \bar\alpha_t}} < 2$ times that in "
        "a DDIM step.",
        counterexample=checks.one_latent_goes_to_two_places,
        bound=Bound(
            r"1 + \sqrt{\frac{\alpha_t - \bar\alpha_t}{1 - \bar\alpha_t}} < 2",
            checks.noise_weight_ratio,
        ),
        search=checks.search_equation_8,
        lesson="ddim_inversion",
    ),
    Claim(
        id="equation_9",
        title="Eqs. 9 to 11: the bilateral filter",
        source="Eqs. 9 to 11, again as Eq. 34",
        statement="Each pixel becomes the mean of its window, with weights that fall as a "
        "Gaussian of the distance (Eq. 10) and of the difference in value (Eq. 11).",
        verdict="holds",
        reason="It is the bilateral filter of Tomasi and Manduchi. Two points are left to the "
        r"reader: in two dimensions $(x - y)^2$ is $\|x - y\|^2$, and a latent has four channels "
        "where Eq. 11 takes one number; here each channel is filtered by itself. No value leaves "
        "the range that the image has.",
        bound=Bound(r"\max \mathcal{B}(x) - \min \mathcal{B}(x) \le \max x - \min x",
                    checks.range_of_values),
        search=checks.search_equation_9,
        lesson="bilateral_filter",
    ),
    Claim(
        id="equation_12",
        title="Eq. 12: the filtered step",
        source="Eq. 12, again as Eq. 33",
        statement=r"Eq. 8 with the filtered latent $x'_t = \mathcal{B}(x_t)$ in place of $x_t$ is "
        "the inversion step, only smoother.",
        verdict="repaired",
        reason="The faults of Eq. 8 stay. The filter acts on a noisy latent in every step, where "
        "most of what it smooths is noise that the model expects to find, and it moves the latent "
        "even where the step itself does nothing.",
        repaired=r"Eq. 12 is Eq. 8 after a move of every number by at most $\sigma\,c(G)$ "
        r"(Lemma 4.7), which the factor $C_t$ of Lemma 4.8 then multiplies.",
        counterexample=checks.filter_moves_what_needs_no_step,
        lesson="ddim_inversion",
    ),
    Claim(
        id="equation_13",
        title="Eq. 13: the tokens put together",
        source="Eq. 13, again in Theorem 4.10",
        statement=r"$Z_{\mathrm{final}} = [T_{\mathrm{share}}; Z_{\mathrm{frame}}; "
        r"\mathcal{C}(Z)]$, where $\mathcal{C}(Z)$ joins conditional and unconditional text along "
        "the sequence.",
        verdict="repaired",
        reason="The shapes fit and it runs. But with both texts in one sequence every position "
        "attends to both, so there are no two outputs for guidance to compare. The frame tokens "
        "depend on the frame, and the left "
        r"side does not; Theorem 4.10 renames them $Z_{\mathrm{unshare}}$ and counts the rows of "
        r"$\mathcal{C}(Z)$ as its dimension.",
        repaired=r"For frame $i$ and for each of the two texts by itself, along the batch: "
        r"$Z_i = [T_{\mathrm{share}}; Z_{\mathrm{frame},i}; Z_{\mathrm{text}}]$ with "
        r"$N_s + N_u + L_{\mathrm{text}}$ rows. Attention does not care for the order of the rows.",
        counterexample=checks.guidance_needs_two_texts,
        lesson="prompt_tokens",
    ),
    Claim(
        id="equation_14",
        title="Eq. 14: queries, keys and values",
        source="Eq. 14",
        statement=r"$Q = W_Q^\top X$, $K = W_K^\top Z$, $V = W_V^\top Z$ with $W_Q$ of size "
        r"$M \times M$ and $W_K$, $W_V$ of size $L \times d$.",
        verdict="repaired",
        reason="The shapes fit and it runs, but it is not attention to tokens. These weights mix "
        r"positions and tokens, not features: $K$ has size $d \times d$, and the softmax runs over "
        "feature channels. The output then depends on the order of the tokens. And $W_K$ could "
        r"only be invertible, as Theorem 4.10 asks, for $L = d$, which it rules out by "
        r"$N_s, N_u \ge d$.",
        repaired=r"$Q = XW_Q$, $K = ZW_K$, $V = ZW_V$ with all three of size $d \times d$, as in "
        "Eqs. 45 and 90.",
        counterexample=attention_3.attention_over_channels,
        lesson="attention_bounds",
    ),
    Claim(
        id="equation_15",
        title="Eq. 15: cross-attention",
        source="Eq. 15, again as Eqs. 45 and 89",
        statement=r"$\tilde X = \mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d}}\right)V$.",
        verdict="holds",
        reason="With the shapes of the repaired Eq. 14 it is the attention that torch computes. "
        "Each row is a mean of the values, so it is never longer than the longest of them. A UNet "
        "also adds the result to its input and has several heads.",
        bound=Bound(r"\max_i\|\tilde x_i\| \le \max_l\|v_l\|", attention_3.largest_value),
        search=attention_3.search_equation_15,
        lesson="attention_bounds",
    ),
    Claim(
        id="equation_16",
        title="Eq. 16: the denoising step",
        source="Eq. 16",
        statement=r"$x_{t-1} = x_t - \alpha_t\,\epsilon_\theta(x_t, X_t)$.",
        verdict="repaired",
        reason="Nearly all of the predicted noise comes off in every one of the steps, where the "
        "steps together should take it off once. The samples shrink to nothing. It also "
        "contradicts Eqs. 8 and 12.",
        repaired=r"A DDIM step, $x_{t-1} = \sqrt{\bar\alpha_{t-1} / \bar\alpha_t}\,(x_t - "
        r"\sqrt{1 - \bar\alpha_t}\,\epsilon_\theta) + \sqrt{1 - \bar\alpha_{t-1}}\,"
        r"\epsilon_\theta$, where $\epsilon_\theta$ sees the tokens through its cross-attention.",
        counterexample=checks.sampler_that_shrinks_everything,
        lesson="prompt_tokens",
    ),
    Claim(
        id="equation_17",
        title="Eq. 17: gradient descent on the parameters",
        source="Eq. 17, again as Eq. 22",
        statement=r"$\Theta_{k+1} = \Theta_k - \eta\nabla_\Theta\mathrm{Loss}(\Theta_k)$ for "
        "adapter and tokens together.",
        verdict="holds",
        reason="It is the definition of gradient descent on the total loss. Section 4.1 speaks of "
        "the temporal loss as a function of the features, which is another function of other "
        "variables: see Theorem 4.4.",
        lesson="gradient_descent",
    ),
)  # fmt: skip
