// What a page can do only with a script. Everything else is forms and links.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue; // no TLS: the browser offers none
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
});

// Live parts ask again by themselves: not while nobody looks or somebody marks text, and what is open stays open.
const live = () => document.getElementById("live");
let open = [];

document.addEventListener("htmx:beforeRequest", (event) => {
  const marked = document.getSelection();
  const busy = !marked.isCollapsed && live()?.contains(marked.anchorNode);
  if (event.target.id === "live" && (document.hidden || busy)) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", () => {
  open = [...document.querySelectorAll("#live details[id]")].map((each) => [each.id, each.open]);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, was] of open) {
    const each = document.getElementById(id);
    if (each) each.open = was;
  }
  const told = document.getElementById("told");
  const news = live()?.dataset.told;
  if (told && news && told.dataset.last !== news) {
    told.dataset.last = news;
    told.textContent = news;
  }
});

// Say when nobody answers, or not as they should, and when somebody does again.
const say = (what) => {
  for (const name of ["lost", "failing"]) {
    const told = document.getElementById(name);
    if (told) told.hidden = name !== what;
  }
};
document.addEventListener("htmx:sendError", () => say("lost"));
document.addEventListener("htmx:timeout", () => say("lost"));
document.addEventListener("htmx:afterOnLoad", (event) => say(event.detail.xhr.status < 400 ? "" : "failing"));

// A filter takes effect when it is chosen; without a script there is a button.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-instant]");
  if (form && event.target.tagName === "SELECT") form.requestSubmit();
});
