"use strict";
// What the other scripts share. Names of recipes and images are strangers' text: they only ever become text.

const data = JSON.parse(document.getElementById("data").textContent);
const DASH = "\u2013";
const MINUS = "\u2212";

function element(id) {
  return document.getElementById(id);
}

/** A new element; `properties` are set on it, `children` put into it. */
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The entrant's line as the legend shows it, to put before its name. */
function key(entrant) {
  return element(`key-${entrant}`).content.cloneNode(true);
}

/** A colour of the style sheet, as it is now. */
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

/** A name that fits into a plot. */
function shorten(name, most = 28) {
  const signs = [...name];
  const half = Math.floor((most - 1) / 2);
  return signs.length <= most ? name : `${signs.slice(0, half).join("")}\u2026${signs.slice(-half).join("")}`;
}

/** From small to large, what is missing last. */
function compareValues(one, other, sign = 1) {
  const missing = (value) => value === null || value === undefined || value === "";
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  if (typeof one === "number") return sign * (one - other);
  return sign * one.localeCompare(other, "en", { numeric: true });
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}
