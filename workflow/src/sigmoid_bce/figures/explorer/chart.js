// The two charts: the exact curve dashed, the program's curve solid, thresholds, the dead zone.
const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function ticks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= raw * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step + 0);
  return found;
}

// the vertical scale: heights of values between 0 and 1, and its ticks as [value, height, text]
function scaleOf(q, curve, inside, log) {
  if (!log) {
    // the exact curve fills the height, whatever a program returns
    const shown = inside.map(i => curve.exact[q][i]).concat(0), least = Math.min(...shown), most = Math.max(...shown), span = most - least || 1;
    const [low, high] = q ? [least - 0.15 * span, most + 0.15 * span] : [-0.04 * span, 1.08 * span];
    const height = v => (v - low) / (high - low);
    return {height, ticks: ticks(low, high, 5).filter(v => q || v >= 0).map(v => [height(v), short(v)])};
  }
  const sizes = inside.flatMap(i => [curve.exact[q][i], curve.value[q][i]]).map(Math.abs).filter(v => v > 0 && v < Infinity);
  const bottom = Math.floor(Math.log10(Math.min(...sizes, 0.1))), top = Math.log10(Math.max(...sizes, 1)) + 0.3;
  // zero has a place of its own below all others
  const height = v => v === 0 ? 0.04 : 0.12 + 0.88 * (Math.log10(Math.abs(v)) - bottom) / (top - bottom);
  const step = Math.max(1, Math.ceil((top - bottom) / 5)), found = [[0.04, "0"]];
  for (let e = Math.floor(top); e >= bottom; e -= step) found.push([height(10 ** e), e > -4 && e < 4 ? short(10 ** e) : "1e" + sign(String(e))]);
  return {height, ticks: found};
}

function drawChart(host, q, curve, state, marks, choose) {
  host.replaceChildren();
  if (!curve) return false;
  const w = Math.max(280, host.clientWidth), h = w < 500 ? 230 : 290, left = 56, right = 12, top = 20, bottom = 38;
  const {range, label} = state, log = state.scale === "log";
  const inside = curve.x.flatMap((x, i) => Math.abs(x) <= range ? [i] : []);
  const there = inside.some(i => !Number.isNaN(curve.value[q][i]));
  const px = x => left + (x + range) / (2 * range) * (w - left - right);
  const {height, ticks: sides} = scaleOf(q, curve, inside, log);
  let clamped = false;
  const py = v => {
    const at = v === Infinity ? 2 : v === -Infinity ? -1 : height(v);
    if (at > 1.001 || at < -0.001) clamped = true;
    return h - bottom - Math.min(1, Math.max(0, at)) * (h - top - bottom);
  };
  const svg = shape("svg", {viewBox: `0 0 ${w} ${h}`, width: w, height: h, role: "img"});
  const hatch = shape("pattern", {id: `hatch${q}`, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"},
    shape("rect", {width: 2, height: 7, class: "hatch"}));
  svg.append(shape("defs", {}, hatch));
  for (const [from, to] of marks.dead) {
    const a = px(Math.max(-range, Math.min(from, to))), b = px(Math.min(range, Math.max(from, to)));
    if (b > a) svg.append(shape("rect", {x: a, y: top, width: b - a, height: h - top - bottom, fill: `url(#hatch${q})`, class: "dead"}));
  }
  for (const [at, text] of sides) {
    const y = h - bottom - at * (h - top - bottom);
    svg.append(shape("line", {x1: left, x2: w - right, y1: y, y2: y, class: "grid"}), shape("text", {x: left - 6, y: y + 4, class: "tick end"}, text));
  }
  for (const x of ticks(-range, range, w < 500 ? 4 : 8)) {
    svg.append(shape("line", {x1: px(x), x2: px(x), y1: h - bottom, y2: h - bottom + 5, class: "axis"}), shape("text", {x: px(x), y: h - bottom + 18, class: "tick middle"}, short(x)));
  }
  svg.append(shape("line", {x1: left, x2: w - right, y1: h - bottom, y2: h - bottom, class: "axis"}),
    shape("text", {x: (w + left) / 2, y: h - 4, class: "tick middle"}, `raw output; ${label ? "wrong side on the left" : "wrong side on the right"}`));
  const used = [];
  for (const {x, text} of marks.places.filter(({x}) => Math.abs(x) <= range)) {
    const at = px(x), end = at > w - 60;
    if (used.some(other => Math.abs(other - at) < 3)) continue;
    svg.append(shape("line", {x1: at, x2: at, y1: top, y2: h - bottom, class: "mark"}));
    if (!used.some(other => Math.abs(other - at) < 46)) svg.append(shape("text", {x: at + (end ? -3 : 0), y: top - 6, class: `tick ${end ? "end" : "middle"}`}, text));
    used.push(at);
  }
  const path = series => {
    let text = "", pen = "M";
    for (const i of inside) {
      if (Number.isNaN(series[i])) { pen = "M"; continue; }
      text += `${pen}${px(curve.x[i]).toFixed(1)} ${py(series[i]).toFixed(1)}`;
      pen = "L";
    }
    return text;
  };
  if (there) svg.append(shape("path", {d: path(curve.value[q]), class: "program"}));
  svg.append(shape("path", {d: path(curve.exact[q]), class: "exact"}));
  names(svg, q, curve, inside, px, py, state, there, w, h - bottom - 8);
  const i = state.sample, x = px(curve.x[i]);
  if (Math.abs(curve.x[i]) <= range) {
    svg.append(shape("line", {x1: x, x2: x, y1: top, y2: h - bottom, class: "cursor"}),
      shape("circle", {cx: x, cy: py(curve.exact[q][i]), r: 6, class: "ring"}));
    if (!Number.isNaN(curve.value[q][i])) svg.append(shape("circle", {cx: x, cy: py(curve.value[q][i]), r: 4, class: "dot"}));
  }
  if (!there) svg.append(shape("text", {x: (w + left) / 2, y: 40, class: "tick middle strong"}, q ? "This program returns no gradient." : "This program returns no number here."));
  svg.setAttribute("aria-label", `${q ? "Gradient" : "Loss"} of the program and exact ${q ? "gradient" : "loss"} for raw outputs from ${-range} to ${range}`);
  const pick = event => {
    const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * w;
    choose(Math.round(Math.min(1, Math.max(-1, ((at - left) / (w - left - right)) * 2 - 1)) * range * 100) / 100);
  };
  svg.addEventListener("pointerdown", event => { if (event.pointerType !== "touch") { host.dragging = true; } pick(event); });
  svg.addEventListener("pointermove", event => { if (host.dragging && event.buttons) pick(event); else host.dragging = false; });
  host.append(svg);
  return clamped;
}

// the curves' names beside them, on the wrong side, where they are farthest apart
function names(svg, q, curve, inside, px, py, state, there, w, low) {
  const side = inside.filter(i => (state.label ? -1 : 1) * curve.x[i] > state.range * 0.25 && (state.label ? -1 : 1) * curve.x[i] < state.range * 0.9);
  if (!side.length) return;
  const gap = i => Number.isNaN(curve.value[q][i]) ? -1 : Math.abs(py(curve.value[q][i]) - py(curve.exact[q][i]));
  const worth = i => Math.min(gap(i), 60) - 10 * Math.abs(Math.abs(curve.x[i]) / state.range - 0.65);
  const at = side.reduce((best, i) => worth(i) > worth(best) ? i : best, side[0]);
  const right = px(curve.x[at]) > w / 2, x = px(curve.x[at]) + (right ? -8 : 8), anchor = right ? "end" : "start";
  const e = py(curve.exact[q][at]), v = there && gap(at) >= 0 ? py(curve.value[q][at]) : null;
  if (v === null || gap(at) < 4) {
    const text = v === null ? "exact" : "exact = program", inner = right ? Math.max(x, 170) : Math.min(x, w - 120);
    svg.append(shape("text", {x: inner, y: e < 40 ? e + 20 : e - 8, class: `name ${anchor}`}, text));
    return;
  }
  const above = v > e;
  const within = y => Math.min(low, Math.max(34, y));
  svg.append(shape("text", {x, y: within(e + (above ? -8 : 18)), class: `name ${anchor}`}, "exact"),
    shape("text", {x, y: within(v + (above ? 18 : -8)), class: `name program-name ${anchor}`}, "program"));
}
