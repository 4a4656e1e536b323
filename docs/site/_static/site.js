// Turns the figures of explorers over, and opens folded rows that a link leads to. Nothing moves by
// itself, and without this script everything can still be read.
"use strict";

function show(explorer, control, at) {
  const key = at === Number(control.dataset.start) ? ["", "-1"] : [control.dataset.control, String(at)];
  let shown = null;
  for (const image of explorer.querySelectorAll(".explorer-pictures img")) {
    const wanted = image.dataset.control === key[0] && image.dataset.at === key[1];
    image.hidden = !wanted;
    if (wanted) shown = image;
  }
  explorer.querySelector(".explorer-words").textContent = shown ? shown.alt : "";
}

function tell(control) {
  if (!control.dataset.texts) return;
  const text = control.dataset.texts.split("|")[Number(control.value)];
  control.setAttribute("aria-valuetext", text);
  control.parentElement.querySelector("output").textContent = text;
}

function wake(explorer) {
  const controls = [...explorer.querySelectorAll("input, select")];
  // A browser may remember where a slider stood; the figure shown is the one at the start.
  const reset = (control) => { control.value = control.dataset.start; tell(control); };
  controls.forEach(reset);
  const load = () => explorer.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  for (const control of controls) {
    control.addEventListener("focus", load, { once: true });
    control.addEventListener("pointerenter", load, { once: true });
    control.addEventListener("input", () => {
      controls.filter((other) => other !== control).forEach(reset);
      tell(control);
      show(explorer, control, Number(control.value));
    });
  }
  explorer.querySelector(".explorer-controls").hidden = false;
  explorer.querySelector(".explorer-note").hidden = controls.length < 2;
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details"))
    fold.open = true;
  if (target) target.scrollIntoView();
}

function ledgerTools() {
  const tools = document.querySelector(".ledger-tools");
  if (!tools) return;
  tools.hidden = false;
  for (const button of tools.querySelectorAll("button"))
    button.addEventListener("click", () => {
      for (const claim of document.querySelectorAll("details.claim"))
        claim.open = button.dataset.open === "true";
    });
}

// The theme's folds in the navigation have an arrow and no words.
function nameFolds() {
  for (const summary of document.querySelectorAll(".bd-sidebar summary")) {
    const link = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  nameFolds();
  document.querySelectorAll(".explorer").forEach(wake);
  ledgerTools();
  if (location.hash) openTarget();
  window.addEventListener("hashchange", openTarget);
});
