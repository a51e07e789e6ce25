"use strict";
// Helpers of the other scripts. Names of recipes and images are untrusted: they are inserted as text only.

const data = JSON.parse(document.getElementById("data").textContent);
const DASH = "\u2013";
const MINUS = "\u2212";

function element(id) {
  return document.getElementById(id);
}

/** A new element with properties and children. */
function make(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

/** The line sample of a candidate, as in the legend. */
function key(candidate) {
  return part("key", candidate);
}

/** A copy of a template of a candidate: "key" or "name". */
function part(kind, candidate) {
  return element(`${kind}-${candidate}`).content.cloneNode(true);
}

/** Current value of a CSS colour. */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function scoreText(value) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  const digits = size < 10 ? 4 : size < 1000 ? 2 : 0;
  return value.toFixed(digits).replace("-", MINUS);
}

function signedText(value) {
  return (value > 0 ? "+" : "") + scoreText(value);
}

function shareText(value) {
  const percent = 100 * value;
  return `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** A name shortened in the middle. */
function shorten(name, most = 28) {
  const letters = [...name];
  const half = Math.floor((most - 1) / 2);
  return letters.length <= most ? name : `${letters.slice(0, half).join("")}\u2026${letters.slice(-half).join("")}`;
}

/** Sort order, ascending for sign 1; missing values are always last. */
function compareValues(a, b, sign = 1) {
  const missing = (value) => value === null || value === undefined || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}
