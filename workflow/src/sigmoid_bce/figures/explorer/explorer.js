// The state, what it shows, and the hash that holds it.
const $ = id => document.getElementById(id);
const RANGES = [4, 10, 20, 40, 120, 800, 12000];
const WORD = {loss_off: "off", loss_flat: "flat", gradient_off: "gradient off", gradient_zero_first: "gradient 0", first_nan: "nan", first_inf: "infinite"};
const VIEWS = ["explore", "table", "teach"];

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === true) element.setAttribute(key, ""); else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

const state = {x: 16.75, label: 0, program: null, scale: "linear", range: 40, view: "explore"};

// the program that is asked for, or the one that agrees in the most important respects
function closest(wanted) {
  const weight = {objective: 32, dtype: 1, framework: 8, implementation: 4, mode: 2}, keys = Object.keys(weight);
  if (wanted.first && wanted.first !== "objective") weight[wanted.first] = 16;
  const score = p => keys.reduce((sum, key) => sum + (p[key] === wanted[key] ? weight[key] : 0), 0);
  return DATA.programs.reduce((best, p) => !best || score(p) > score(best) ? p : best, null);
}

function hashOf(given) {
  const {objective: loss = "", dtype = "", framework = "", implementation: program = "", mode = ""} = given.program || {};
  const parts = {x: given.x, label: given.label, loss, dtype, framework, program, mode, scale: given.scale, range: given.range};
  if (given.view !== "explore") parts.view = given.view;
  return "#" + new URLSearchParams(parts).toString();
}

let chosen = 40;  // the range that was chosen; a raw output beyond it widens the view while it is there
const rangeFor = (x, range) => Math.abs(x) <= range ? range : RANGES.find(r => r >= Math.abs(x)) || RANGES.at(-1);
const hashFor = (program, label, x, range = state.range) => hashOf({...state, view: "explore", program, label, x, range: rangeFor(x, range)});

// a measured raw output that was kept, near another one
function measured(program, label, x) {
  const curve = curveOf(program, label);
  return curve ? curve.x[nearest(curve.x, x)] : x;
}

// a raw output as people write it: with a comma or a true minus, too; NaN if it is no finite number
function typed(text) {
  // 1,000 may be a thousand, or one
  if (/^\s*[-+−]?\d{1,3}(,\d{3})+\s*$/.test(text)) return NaN;
  const x = Number(text.trim().replace("−", "-").replace(/^([-+]?\d*),(\d+)$/, "$1.$2"));
  return text.trim() && Number.isFinite(x) ? x + 0 : NaN;
}

function readHash(text) {
  const given = new URLSearchParams(text.replace(/^#/, "")), odd = [];
  if (given.has("x")) {
    const x = typed(given.get("x"));
    if (Number.isFinite(x)) state.x = x; else odd.push(`x=${given.get("x")}`);
  }
  if (given.has("label")) { if (["0", "1"].includes(given.get("label"))) state.label = Number(given.get("label")); else odd.push(`label=${given.get("label")}`); }
  const names = {loss: "objective", dtype: "dtype", framework: "framework", program: "implementation", mode: "mode"};
  const wanted = {...state.program};
  // links of the time of one loss do not name it
  if ([...given].length) wanted.objective = BCE;
  for (const [name, key] of Object.entries(names)) {
    if (!given.has(name)) continue;
    if (DATA.programs.some(p => p[key] === given.get(name))) wanted[key] = given.get(name); else odd.push(`${name}=${given.get(name)}`);
  }
  if (state.program) state.program = closest(wanted);
  for (const [name, key] of Object.entries(names)) {
    if (given.has(name) && state.program && state.program[key] !== given.get(name) && !odd.includes(`${name}=${given.get(name)}`)) odd.push(`${name}=${given.get(name)}`);
  }
  const oneOf = (name, all) => {
    const value = given.get(name);
    if (value !== null && !all.includes(value)) odd.push(`${name}=${value}`);
    return all.includes(value) ? value : null;
  };
  state.scale = oneOf("scale", ["linear", "log"]) || state.scale;
  const range = oneOf("range", RANGES.map(String));
  if (range) state.range = chosen = Number(range);
  state.view = oneOf("view", VIEWS) || (given.has("view") ? state.view : "explore");
  say(odd.length ? `The link asks for ${odd.join(", ")}, which this page does not have. The nearest state is shown.` : "");
}

function say(text) { $("notice").textContent = text; $("notice").hidden = !text; }

let written = "";
function writeHash() {
  written = hashOf(state);
  // a page inside a report has no address of its own
  try { history.replaceState(null, "", written); } catch { /* the state is kept without it */ }
}

function select(element, options, chosen) {
  element.replaceChildren(...options.map(([value, text]) => make("option", {value}, text)));
  element.value = chosen;
}

const rowsOf = (program, label) => rows.filter(row => row.program === program && row.label === label);
const outward = (row, place) => (row.wrong === (row.label === 0) ? 1 : -1) * place + 0;

// what a row of thresholds says of a raw output of this size on its side
function illsAt(row, size) {
  const from = place => short(outward(row, place), 6), found = [];
  const there = place => row[place] <= size;
  if (there("first_nan")) found.push(["nan", `loss or gradient can be nan from ${from(row.first_nan)}`]);
  if (there("first_inf")) found.push(["infinite", `loss or gradient can be infinite from ${from(row.first_inf)}`]);
  if (there("gradient_zero_first")) {
    found.push(["dead", there("gradient_zero") ? `gradient 0 from ${from(row.gradient_zero)}` :
      `gradient 0 in places from ${from(row.gradient_zero_first)}` + (Number.isNaN(row.gradient_zero) ? "" : `, everywhere from ${from(row.gradient_zero)}`)]);
  }
  if (there("loss_flat")) found.push(["flat", `loss stays at ${short(row.loss_flat_value, 6)} from ${from(row.loss_flat)}`]);
  if (there("loss_off")) {
    found.push(["off", there("loss_off_for_good") ? `loss off from ${from(row.loss_off_for_good)}` +
      (row.loss_off < row.loss_off_for_good ? `, in places from ${from(row.loss_off)}` : "") :
      `loss off in places from ${from(row.loss_off)}` + (Number.isNaN(row.loss_off_for_good) ? "" : `, everywhere from ${from(row.loss_off_for_good)}`)]);
  }
  if (there("gradient_off") && !there("gradient_zero")) found.push(["off", `gradient off in places from ${from(row.gradient_off)}`]);
  return found;
}

const BCE = "bce";
const RANK = ["nan", "infinite", "dead", "flat", "off"];

function wrongHere({objective, dtype}, label, x) {
  const here = rows.filter(row => row.program.objective === objective && row.program.dtype === dtype && row.label === label && (x === 0 || row.wrong === ((x > 0) === (label === 0))));
  const groups = new Map();
  for (const row of here) {
    const ills = illsAt(row, Math.abs(x));
    if (!ills.length) continue;
    const key = JSON.stringify([row.program.label, row.program.version, ills, x === 0 ? "" : row.wrong]);
    if (!groups.has(key)) groups.set(key, {row, ills, modes: []});
    groups.get(key).modes.push(row.program.mode);
  }
  const rank = group => Math.min(...group.ills.map(([kind]) => RANK.indexOf(kind)));
  return [...groups.values()].sort((a, b) => rank(a) - rank(b) || a.row.program.label.localeCompare(b.row.program.label));
}

function showWrong() {
  const {x, label, program} = state, groups = wrongHere(program, label, x);
  const count = groups.reduce((sum, group) => sum + group.modes.length, 0);
  const all = programsOf(program.objective).filter(p => p.dtype === program.dtype).length;
  const side = x === 0 ? "between the sides" : (x > 0) === (label === 0) ? "the wrong side" : "the right side";
  const edge = Math.max(0, ...pointsOf(program, label).x.map(Math.abs));
  $("wrong-summary").textContent = (objectives.length > 1 ? `${capital(objectiveOf(program.objective).title)}: raw` : "Raw") + ` output ${short(x, 9)}, label ${label} (${side}), ${program.dtype}: ` +
    (Math.abs(x) > edge ? `nothing was measured beyond ${short(edge)}; the list holds for what was measured.` : "") +
    (count ? ` ${count} of ${all} ${all === 1 ? "program" : "programs"} (each mode counts) ${count === 1 ? "is" : "are"} off, flat or dead here.` : ` none of ${all} ${all === 1 ? "program" : "programs"} is off, flat or dead here.`);
  $("wrong").replaceChildren(...groups.map(({row, ills, modes}) => {
    const p = row.program, named = modes.filter(Boolean);
    return make("li", p === program || (p.label === program.label && modes.includes(program.mode)) ? {class: "own"} : {},
      [...new Set(ills.map(([kind]) => kind))].map(kind => make("span", {class: `tag ${kind}`}, kind)),
      make("a", {href: hashFor(p, label, x)}, p.label), named.length ? ` (${named.join(", ")})` : "",
      make("span", {class: "small block"}, ills.map(([, text]) => text).join("; ") + `. Release: ${p.version}`));
  }));
}

function bitsBlock(value, format, other) {
  if (!format) return make("span", {class: "small"}, "a long double: the data hold it rounded to float64, so its bits are not shown");
  if (Number.isNaN(value)) return make("span", {class: "small"}, "not a number: many bit patterns");
  const text = v => bitsOf(v, format).toString(2).padStart(width(format) + 1, "0");
  const bits = text(value), against = other === null ? bits : text(other), [e] = FORMATS[format];
  const part = (from, to, name) => make("span", {class: `part ${name}`}, make("i", {}, name),
    make("b", {class: "bits"}, [...bits.slice(from, to)].map((bit, i) => make("span", bit === against[from + i] ? {} : {class: "differs"}, bit))));
  return make("span", {class: "float", "aria-label": `${format}: sign ${bits[0]}, exponent ${bits.slice(1, 1 + e)}, mantissa ${bits.slice(1 + e)}`, role: "img"},
    part(0, 1, "sign"), part(1, 1 + e, "exponent"), part(1 + e, bits.length, "mantissa"));
}

function card(q, curve, i) {
  const p = state.program, long = p.dtype === "longdouble", format = curve.formats[q];
  const value = curve.value[q][i], exact = curve.exact[q][i], name = q ? "gradient" : "loss";
  if (q && !p.has_gradient) return make("div", {class: "card", id: name}, make("h3", {}, "Gradient"), make("p", {}, `This program returns no gradient. The exact one is ${full(exact, p.dtype)}.`));
  const error = ulps(curve, q, i, p.dtype), share = exact === 0 ? null : Math.abs((value - exact) / exact);
  const kind = FORMATS[format] && !long ? kindOf(value, format) : "", exactKind = FORMATS[p.dtype] ? kindOf(exact, p.dtype) : "";
  const noted = (text, k) => k && k !== "normal" ? `${text} (${k})` : text;
  const words = Number.isNaN(value) ? "not a number" : !Number.isFinite(value) ? "infinite" :
    error === null ? (long ? "not shown: the data hold long doubles rounded to float64" : "not measured") :
    `${short(error, 3)} ulp` + (share === null ? "" : `, ${short(100 * share, 3)} %`) + (value === exact ? ": correctly rounded" : "");
  const wider = format !== p.dtype && !long ? make("p", {class: "small"}, `The program returns this ${name} in ${format}, wider than ${p.dtype}.`) : "";
  return make("div", {class: "card", id: name}, make("h3", {}, q ? "Gradient" : "Loss"),
    make("dl", {}, make("dt", {}, "program"), make("dd", {}, make("output", {id: `${name}-value`}, full(value, format)), make("span", {class: "small"}, noted("", kind)), bitsBlock(value, long ? null : format, format === p.dtype || !long ? exact : null)),
      make("dt", {}, "exact"), make("dd", {}, make("output", {id: `${name}-exact`}, full(exact, p.dtype)), make("span", {class: "small"}, noted("", exactKind)), bitsBlock(exact, long ? null : p.dtype, null)),
      make("dt", {}, "error"), make("dd", {}, make("output", {id: `${name}-error`}, words))), wider);
}

function sentence(curve, i) {
  const {label, program: p} = state, x = curve.x[i], side = x === 0 ? "undecided" : (x > 0) === (label === 1) ? "right" : "wrong";
  const [loss, gradient] = [0, 1].map(q => curve.value[q][i]), [exact, slope] = [0, 1].map(q => curve.exact[q][i]);
  const same = (a, b) => a === b || Math.abs(a - b) <= 0.01 * Math.abs(b) || ulpsSmall(a, b, p.dtype);
  const {name, title, terms} = objectiveOf(p.objective), named = objectives.length > 1 || name !== BCE;
  // what rounding two terms leaves where they cancel; the rule of the measurement
  const cancel = terms && !ulpsSmall(gradient, slope, p.dtype) && ulpsSmall(gradient, slope, p.dtype, terms);
  const end = Math.max(...curve.x.map(Math.abs)), parts = [];
  if (Math.abs(state.x) > end) parts.push(`Nothing was measured beyond ${short(end)}; this is about the raw output ${short(x)}.`);
  const where = side !== "undecided" ? `the sample is on the ${side} side.` : name.startsWith("softmax") ? "the raw output 0 is undecided: all classes have the same." : "the raw output 0 is undecided: sigmoid 0.5.";
  parts.push(named ? `${capital(title)}: ${where}` : capital(where));
  parts.push(Number.isNaN(loss) ? "The loss is not a number." : !Number.isFinite(loss) ? "The loss is infinite." :
    ulpsSmall(loss, exact, p.dtype) ? "The loss is right." : same(loss, exact) ? "The loss is within 1 %." : `The loss is too ${loss > exact ? "large" : "small"}: ${short(loss)} instead of ${short(exact)}.`);
  if (p.has_gradient) parts.push(Number.isNaN(gradient) ? "The gradient is not a number." : cancel ? "The gradient is right within the rounding of its terms, which cancel here." : gradient === 0 && slope !== 0 ?
    `The gradient is exactly 0 instead of ${short(slope)}: ${side === "wrong" || Math.abs(slope) > SMALL ? "nothing is learned from this sample" : "too small to matter"}.` : ulpsSmall(gradient, slope, p.dtype) ? "The gradient is right." : same(gradient, slope) ? "The gradient is within 1 %." : `The gradient is ${short(gradient)} instead of ${short(slope)}.`);
  return parts.join(" ");
}

const SMALL = 1e-3;  // a gradient of a right prediction below this counts for nothing
function ulpsSmall(a, b, dtype, terms = 0) {
  const size = Math.max(Math.abs(b), terms);
  return a === b || Math.abs(a - b) <= (FORMATS[dtype] ? 4 * unitAt(size, dtype) : 1e-15 * size);
}

function marksOf(range) {
  const dead = [], places = [];
  for (const row of rowsOf(state.program, state.label)) {
    if (!Number.isNaN(row.gradient_zero)) dead.push([outward(row, row.gradient_zero), outward(row, Infinity) > 0 ? range : -range]);
    for (const name of ["gradient_zero_first", "loss_flat", "loss_off", "first_nan", "first_inf", "gradient_off"]) {
      if (!Number.isNaN(row[name])) places.push({x: outward(row, row[name]), name, text: WORD[name]});
    }
  }
  return {dead, places};
}

function showState() {
  const {program: p, label} = state, curve = curveOf(p, label), marks = marksOf(state.range);
  $("slider").min = -state.range; $("slider").max = state.range; $("slider").step = state.range <= 120 ? 0.01 : 0.1;
  $("slider").value = state.x; if (document.activeElement !== $("number") || typed($("number").value) !== state.x) $("number").value = state.x;
  $("slider").setAttribute("aria-valuetext", `raw output ${short(state.x, 9)}`);
  document.querySelectorAll("input[name=label]").forEach(radio => { radio.checked = Number(radio.value) === label; });
  document.querySelectorAll("input[name=scale]").forEach(radio => { radio.checked = radio.value === state.scale; });
  const all = programsOf(p.objective), loss = objectiveOf(p.objective);
  select($("objective"), DATA.objectives.map(o => [o.name, o.title]), p.objective);
  $("objective").parentElement.hidden = objectives.length < 2;
  select($("dtype"), dtypesOf(all).map(d => [d, d === "longdouble" ? "long double" : d]), p.dtype);
  select($("framework"), frameworksOf(all).map(f => [f, f]), p.framework);
  const own = all.filter(o => o.framework === p.framework && o.dtype === p.dtype);
  select($("program"), [...new Set(own.map(o => o.implementation))].map(n => [n, n]), p.implementation);
  const modes = own.filter(o => o.implementation === p.implementation).map(o => o.mode);
  select($("mode"), [...new Set(modes)].map(m => [m, m || "the only one"]), p.mode);
  $("mode").disabled = modes.length < 2; $("program").disabled = own.length < 2;
  const edge = curve ? Math.max(...curve.x.map(Math.abs)) : 120;
  select($("range"), RANGES.filter((r, i) => i === 0 || RANGES[i - 1] < edge || r === state.range).map(r => [r, `±${r}`]), state.range);
  $("jumps").replaceChildren(...marks.places.filter(m => ["loss_off", "loss_flat", "gradient_zero_first", "first_nan"].includes(m.name))
    .sort((a, b) => a.x - b.x).slice(0, 8).map(m => make("a", {class: "jump", href: hashFor(p, label, m.x)}, `${m.text} ${short(m.x)}`)));
  $("formula").textContent = [objectives.length > 1 || p.objective !== BCE ? `The loss: ${loss.title}, ${loss.says}. x is the raw output, y the label, p = sigmoid(x), z = (2 y - 1) x.` : "", p.objective.startsWith("softmax") ? "Label 1: the first class is right; label 0: another one." : "", p.formula && `${p.label} computes: ${p.formula}.`, p.cause && `Known cause: ${p.cause}.`, p.gradient_by_hand ? "Its gradient is a formula of this project, since the program returns none." : "", `Release: ${p.version}.`].filter(Boolean).join(" ");
  if (!curve) { $("sentence").textContent = "This program was not measured for this label."; $("values").replaceChildren(); $("sample").textContent = ""; return; }
  const i = state.sample = nearest(curve.x, state.x), x = curve.x[i];
  $("sentence").textContent = sentence(curve, i);
  $("sample").replaceChildren(x === state.x ? "Measured at exactly this raw output, " : "Not measured at exactly this raw output. The values are those of the nearest sample kept, ", make("output", {id: "at"}, full(x, p.dtype === "float32" ? "float32" : "float64")), ".");
  $("values").replaceChildren(card(0, curve, i), card(1, curve, i));
  state.curve = curve;
  draw();
  showWrong();
}

function draw() {
  const marks = marksOf(state.range);
  const choose = x => update({x});
  const clamped = [0, 1].map(q => drawChart($(q ? "chart-gradient" : "chart-loss"), q, state.curve, state, marks, choose));
  $("chart-note").textContent = "Solid: the program. Dashed: exact. Hatched: the gradient is 0 for good. Lines join measured samples; every step and threshold is kept. Click a chart to move the raw output." +
    (clamped.some(Boolean) ? " Values beyond a chart are drawn at its edge." : "") +
    (state.scale === "log" ? " On the logarithmic scale, sizes are drawn and 0 has a line of its own at the bottom." : "");
}

function update(change) {
  say("");
  Object.assign(state, change);
  state.range = rangeFor(state.x, change.range || chosen);
  if (change.range) chosen = change.range;
  show();
  writeHash();
}

function show() {
  for (const name of VIEWS) {
    const chosen = name === state.view;
    $(name).hidden = !chosen;
    $(`tab-${name}`).setAttribute("aria-selected", chosen);
    $(`tab-${name}`).tabIndex = chosen ? 0 : -1;
  }
  if (!state.program) return;
  if (state.view === "explore") showState();
  if (state.view === "table") showTable();
}
