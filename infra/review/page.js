"use strict";
// Filters, keys and the picture's highlights. What is hidden is always said, and the address keeps the filters, so that a link shows
// to others what one has found.
const form = document.getElementById("filters");
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const items = [...document.querySelectorAll(".item")].map((element) => ({ element, words: element.textContent.toLowerCase() }));
const groups = [...document.querySelectorAll("#sections :is(section, .panel, .group, details:not(.item))")];
let marked = -1;

function wanted() {
  const given = new FormData(form);
  const chosen = {};
  for (const name of ["stack", "type", "action", "level"]) {
    const values = given.getAll(name).filter(Boolean);
    if (values.length) chosen[name] = new Set(values);
  }
  return { chosen, words: search.value.toLowerCase().split(/\s+/).filter(Boolean) };
}

function filter() {
  const { chosen, words } = wanted();
  const asked = words.length > 0 || Object.keys(chosen).length > 0;
  let count = 0;
  for (const { element, words: text } of items) {
    const fits =
      Object.entries(chosen).every(([name, values]) => values.has(element.dataset[name] ?? "")) && words.every((word) => text.includes(word));
    element.classList.toggle("hidden", !fits);
    count += fits;
  }
  shown.textContent = asked ? `${count} of ${items.length} shown` : "";
  for (const group of groups) {
    const found = group.querySelector(".item:not(.hidden)");
    group.classList.toggle("hidden", asked && !found);
    // What matches is not left behind a fold.
    if (asked && found && group.tagName === "DETAILS") group.open = true;
    document.querySelector(`.bar a[href="#${group.id}"]`)?.classList.toggle("empty", asked && !found);
  }
  mark(-1);
  keep(chosen);
}

function keep(chosen) {
  const kept = new URLSearchParams();
  if (search.value) kept.set("search", search.value);
  for (const [name, values] of Object.entries(chosen)) kept.set(name, [...values].join(","));
  if (kept.size) history.replaceState(null, "", `#?${kept}`);
  else if (location.hash.startsWith("#?")) history.replaceState(null, "", "#");
}

function restore() {
  if (location.hash.startsWith("#?")) {
    const kept = new URLSearchParams(location.hash.slice(2));
    search.value = kept.get("search") ?? "";
    for (const name of ["stack", "type", "action", "level"]) {
      const values = (kept.get(name) ?? "").split(",");
      for (const field of form.elements) {
        if (field.name !== name) continue;
        if (field.type === "checkbox") field.checked = values.includes(field.value);
        else field.value = values[0];
      }
    }
    filter();
  } else if (location.hash.length > 1) {
    // A link to a change opens it, whatever was filtered away.
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (!target.checkVisibility()) reset();
    for (let fold = target; fold; fold = fold.parentElement) if (fold.tagName === "DETAILS") fold.open = true;
    target.scrollIntoView();
  }
}

function reset() {
  form.reset();
  filter();
}

function visible() {
  return items.map(({ element }) => element).filter((element) => element.matches("article, details") && element.checkVisibility());
}

function mark(place, found = visible()) {
  document.querySelector(".marked")?.classList.remove("marked");
  marked = place;
  const element = found[place];
  if (!element) return;
  element.classList.add("marked");
  (element.querySelector("summary") ?? element).focus({ preventScroll: true });
  element.scrollIntoView({ block: "center" });
}

function move(step) {
  const found = visible();
  const here = found.indexOf(document.querySelector(".marked"));
  mark(Math.max(0, Math.min((here < 0 ? (step > 0 ? -1 : 0) : here) + step, found.length - 1)), found);
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
}

function unfold() {
  const changes = [...document.querySelectorAll("#changes details.change")];
  const open = changes.some((change) => !change.open);
  for (const change of changes) change.open = open;
}

const KEYS = {
  "/": () => search.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: unfold,
  b: () => {
    const box = form.querySelector('input[name="level"][value="block"]');
    if (box) box.checked = !box.checked;
    filter();
  },
  t: theme,
  "?": () => document.getElementById("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    search.blur();
    reset();
  } else if (!event.target.matches("input[type=search], select") && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

// The picture: what is pointed at, with everything that it reaches and is reached by.
const picture = document.querySelector(".blast");
function reachable(start, from, to) {
  const found = new Set([start]);
  for (const name of found) for (const edge of picture.querySelectorAll(`.edge[data-${from}="${name}"]`)) found.add(edge.dataset[to]);
  return found;
}
function aim(node) {
  const lit = node ? new Set([...reachable(node.id, "from", "to"), ...reachable(node.id, "to", "from")]) : new Set();
  picture.classList.toggle("aimed", Boolean(node));
  for (const other of picture.querySelectorAll(".node")) other.classList.toggle("lit", lit.has(other.id));
  for (const edge of picture.querySelectorAll(".edge")) edge.classList.toggle("lit", lit.has(edge.dataset.from) && lit.has(edge.dataset.to));
}
for (const node of picture?.querySelectorAll(".node") ?? []) {
  for (const event of ["mouseenter", "focus"]) node.addEventListener(event, () => aim(node));
  for (const event of ["mouseleave", "blur"]) node.addEventListener(event, () => aim(null));
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("theme").addEventListener("click", theme);
document.getElementById("help").addEventListener("click", KEYS["?"]);
addEventListener("hashchange", restore);
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
restore();
