"use strict";
// Draws what the data in the page say. All text is set as text, never as HTML: names and levels are the user's.
const data = JSON.parse(document.getElementById("data").textContent);
const state = { item: 0, name: null, at: 0 };
const find = (query, within = document) => within.querySelector(query);
const source = (image) => `data:image/png;base64,${image}`;
let turns = 0;

/** A new element with properties, attributes (`aria-...`, `data-...`, `role`) and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (/^(aria-|data-|role$)/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

function draw_svg(width, height, paths) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const [d, color, dashed] of paths) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    path.setAttribute("stroke", color);
    if (dashed) path.setAttribute("class", "dashed");
    svg.append(path);
  }
  return svg;
}

// -- what is asked ---------------------------------------------------------------------------------------------------

const item = () => data.items[state.item];
const asked = (name) => item().asked[name];
const moved = () => state.name !== null && state.at !== asked(state.name).seen;

/** The answer to what is asked now; where the page is live, the model's, once. */
async function answer() {
  if (!moved()) return item().seen;
  const { answers, values } = asked(state.name), at = state.at;
  if (answers[at] === null) {
    answers[at] = await post("do", { ...item().subject, do: { [state.name]: values[at] } });
  }
  return answers[at];
}

/** What the server answers. Throws an Error with its message. */
async function post(where, question) {
  const said = await fetch(where, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) });
  const told = await said.json();
  if (!said.ok) throw new Error(told.error);
  return told;
}

function complain(error) {
  find("#error").textContent = error ? String(error.message ?? error) : "";
  find("#error").hidden = !error;
}

function ask(name, at) {
  Object.assign(state, { name, at });
  update();
}

function choose(number) {
  Object.assign(state, { item: number, name: null });
  build_controls();
  update();
}

// -- pictures --------------------------------------------------------------------------------------------------------

/** The pixels of a PNG: red, green, blue and alpha of each, 0 to 255. */
async function decode(image) {
  const picture = new Image();
  picture.src = source(image);
  await picture.decode();
  const canvas = make("canvas", { width: data.width, height: data.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, data.width, data.height);
}

const palette = data.colors.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));

/** How `now` differs from `was` in colours; of every pixel's channels the one that changed most. */
function difference(was, now) {
  const drawn = new ImageData(data.width, data.height);
  for (let at = 0; at < drawn.data.length; at += 4) {
    let change = 0;
    for (let channel = at; channel < at + 3; channel++) {
      const by = now.data[channel] - was.data[channel];
      if (Math.abs(by) > Math.abs(change)) change = by;
    }
    const color = palette[Math.max(-data.limit, Math.min(data.limit, change)) + data.limit];
    drawn.data.set([...color, 255], at);
  }
  return drawn;
}

function show(kind, pixels, outlines, label) {
  const figure = find(`[data-kind=${kind}]`), canvas = find("canvas", figure);
  canvas.width = data.width;
  canvas.height = data.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  canvas.setAttribute("aria-label", label);
  const paths = outlines.flatMap(([masks, dashed]) =>
    Object.entries(masks).reverse().map(([name, path]) => [path, data.structures[name], dashed]));
  find("svg", figure)?.remove();
  canvas.after(draw_svg(2 * data.width, 2 * data.height, paths));
}

/** Everything anew. Answers and pictures take a moment: the last that was asked for wins. */
async function update() {
  const turn = ++turns;
  show_controls();
  const waits = data.live && moved() && asked(state.name).answers[state.at] === null;
  if (waits) {
    find("#summary").textContent = "Asking the model …";
    await new Promise((done) => setTimeout(done, 150)); // a slider passes by what it is not meant for
    if (turn !== turns) return;
  }
  try {
    await show_answer(turn);
    if (turn === turns) complain(null);
  } catch (error) {
    if (turn === turns) complain(error);
    if (turn === turns) find("#summary").textContent = "No answer.";
  }
}

async function show_answer(turn) {
  const seen = item().seen, now = await answer();
  const [was, is] = await Promise.all([decode(seen.image), decode(now.image)]);
  if (turn !== turns) return;
  const said = moved() ? `${state.name} ${asked(state.name).texts[state.at]}` : "as it was seen";
  const solid = [seen.outlines, false], both = [solid, [now.outlines, true]];
  show("factual", was, [solid], `Factual image of item ${state.item + 1}`);
  show("counterfactual", is, both, `Counterfactual image of item ${state.item + 1}: ${said}`);
  show("difference", difference(was, is), both, `Difference of the two: ${said}`);
  show_readings(seen, now);
}

// -- readings --------------------------------------------------------------------------------------------------------

function show_readings(seen, now) {
  const name = moved() ? state.name : null;
  find("#summary").textContent = name === null ? "Nothing is asked: the image as it was seen." : summary(name, seen, now);
  const marks = find("#marks");
  marks.replaceChildren();
  if (name !== null && now.support !== null) marks.append(`Support ${now.support}. `);
  if (now.unusual) marks.append(make("span", { className: "mark" }, "Unusual: hardly seen in training. "));
  if (name !== null && now.readings[name].unsure) marks.append(make("span", { className: "mark" },
    "Not sure: draws differ by more than what was asked for."));
  const rows = Object.keys(data.variables).map((each) => row(each, name, seen.readings[each], now.readings[each]));
  find("#readings tbody").replaceChildren(...rows);
}

function summary(name, seen, now) {
  const read = now.readings[name].measured;
  const measured = read === undefined ? "No reader measures it." : `Measured: ${read}.`;
  return `Asked: ${name} ${asked(name).texts[state.at]}, was ${seen.readings[name].is}. ${measured}`;
}

function row(each, name, was, is) {
  const role = each === name ? "asked" : name !== null && data.variables[name].follows.includes(each) ? "follows" : "";
  const head = make("th", { scope: "row" }, each, ...(role ? [make("small", {}, role)] : []));
  return make("tr", { className: role }, head, cell(was), cell(is));
}

/** What a variable is, and below it what is measured, and how sure that is. */
function cell(reading) {
  const small = [reading.measured === undefined ? undefined : `measured ${reading.measured}`, reading.spread];
  return make("td", {}, reading.is, ...small.filter((text) => text !== undefined).map((text) => make("small", {}, text)));
}

// -- controls --------------------------------------------------------------------------------------------------------

function build_items() {
  find(".thumbs").replaceChildren(...data.items.map((each, number) => make("label", {},
    make("input", { type: "radio", name: "item", checked: number === state.item, onchange: () => choose(number),
      "aria-label": `Item ${number + 1}` }),
    make("img", { src: source(each.seen.image), alt: "" }), make("span", { "aria-hidden": "true" }, `${number + 1}`))));
}

function build_controls() {
  find(".variables").replaceChildren(...data.over.map((name, number) => make("div", { className: "variable", "data-name": name },
    make("div", { className: "head" }, make("label", { htmlFor: `v${number}`, id: `l${number}` }, name), make("span", { className: "value" })),
    data.variables[name].discrete ? levels(name, number) : slider(name, number),
    ...data.notes[name].map((note) => make("p", { className: "note warning" }, note)))));
}

function slider(name, number) {
  const { texts, seen } = asked(name), share = seen / Math.max(1, texts.length - 1);
  const mark = make("span", { className: "seen", title: "as it was seen" });
  mark.style.left = `calc(8px + ${share} * (100% - 16px))`; // the knob is 16 px wide
  return make("div", { className: "range" },
    make("input", { type: "range", min: 0, max: texts.length - 1, step: 1, value: seen, id: `v${number}`,
      oninput: (event) => ask(name, Number(event.target.value)) }),
    mark, make("div", { className: "ends", "aria-hidden": "true" }, make("span", {}, texts[0]), make("span", {}, texts.at(-1))));
}

function levels(name, number) {
  return make("div", { className: "levels", role: "group", id: `v${number}`, "aria-labelledby": `l${number}` }, ...asked(name).texts.map((text, at) =>
    make("button", { type: "button", onclick: () => ask(name, at) }, text)));
}

/** Each control where its variable is: one is moved at a time, so that the others go back. */
function show_controls() {
  for (const field of document.querySelectorAll(".variable")) {
    const name = field.dataset.name, { texts, seen } = asked(name), at = state.name === name ? state.at : seen;
    const text = texts[at] + (at === seen ? " (as seen)" : ""), range = find("input", field);
    field.classList.toggle("moved", at !== seen);
    find(".value", field).textContent = text;
    if (range) {
      range.value = at;
      range.setAttribute("aria-valuetext", text);
    }
    field.querySelectorAll("button").forEach((button, place) => button.setAttribute("aria-pressed", place === at));
  }
  find("#reset").disabled = !moved();
}

function build_key() {
  const canvas = find(".scale canvas");
  canvas.width = palette.length;
  canvas.getContext("2d").putImageData(
    new ImageData(new Uint8ClampedArray(palette.flatMap((color) => [...color, 255])), palette.length, 1), 0, 0);
  find(".scale .low").textContent = `−${data.limit}`;
  find(".scale .high").textContent = `+${data.limit}`;
  const names = Object.entries(data.structures);
  find(".outlined").hidden = !names.length;
  const line = (color, dashed) => draw_svg(44, 18, [["M5 9h34", color, dashed]]);
  find(".structures").replaceChildren(...names.map(([name, color]) => make("li", {}, line(color, false), name)),
    make("li", {}, line("#fff", false), "factual"), make("li", {}, line("#fff", true), "counterfactual"));
}

// -- an image of one's own, where the page is live --------------------------------------------------------------------

function build_upload() {
  const file = make("input", { type: "file", accept: "image/png,image/jpeg,image/tiff" });
  const fields = Object.entries(data.given).map(([name, levels]) => [name, levels === null
    ? make("input", { type: "number", step: "any" })
    : make("select", {}, ...levels.map((level) => make("option", {}, level)))]);
  const labelled = fields.map(([name, field]) => make("label", {}, name, field));
  const button = make("button", { type: "button", onclick: () => upload(file, fields).catch(complain) }, "Show it");
  find("#items").append(make("details", {}, make("summary", {}, "An image of your own"),
    make("div", { className: "upload" }, make("label", {}, "file", file), ...labelled, button)));
}

async function upload(file, fields) {
  if (!file.files.length) throw new Error("choose a file: PNG, JPEG or TIFF");
  const url = await new Promise((done, failed) => {
    const reader = new FileReader();
    Object.assign(reader, { onload: () => done(reader.result), onerror: () => failed(reader.error) });
    reader.readAsDataURL(file.files[0]);
  });
  const known = fields.filter(([, field]) => field.value !== "");
  const given = known.map(([name, field]) => [name, field.type === "number" ? Number(field.value) : field.value]);
  const subject = { image: url.split(",")[1], given: Object.fromEntries(given) };
  data.items.push({ ...await post("item", subject), subject });
  choose(data.items.length - 1);
  build_items();
}

find("#outlines").onchange = (event) => find("#pictures").classList.toggle("without", !event.target.checked);
find("#reset").onclick = () => ask(null, 0);
build_key();
if (data.live) build_upload();
build_items();
choose(0);
