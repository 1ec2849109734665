// The table of all programs with its filters, the five questions, and what the page listens to.
const COLUMNS = [["loss", "loss"], ["framework", "framework"], ["implementation", "program"], ["mode", "mode"], ["dtype", "precision"], ["label", "label"], ["side", "side"],
  ["loss_off", "loss off"], ["loss_flat", "loss flat"], ["loss_flat_value", "flat at"], ["gradient_zero_first", "gradient 0"], ["worst", "consequences"]];
const NUMBERS = ["loss_off", "loss_flat", "loss_flat_value", "gradient_zero_first"];
const CLEAN = "none found";
let lines, columns;
const lineOf = row => ({...row, objective: row.program.objective, loss: objectiveOf(row.program.objective).title, framework: row.program.framework, implementation: row.program.implementation, mode: row.program.mode,
  dtype: row.program.dtype, label: String(row.label), side: row.wrong ? "wrong" : "right", worst: row.consequences.length ? Math.min(...row.consequences) : 99,
  says: row.consequences.length ? row.consequences.map(c => DATA.consequences[c][0]) : [CLEAN]});
const FILTERS = {objective: "Loss", framework: "Framework", implementation: "Program", dtype: "Precision", label: "Label", side: "Side", says: "Consequence"};
const filters = {side: "wrong"};
let limit = 60;
const sorted = {by: "worst", down: false};

function valuesOf(name) {
  if (name === "dtype") return dtypes;
  if (name === "objective") return objectives;
  if (name === "says") return [...DATA.consequences.map(([said]) => said), CLEAN].filter(said => lines.some(line => line.says.includes(said)));
  return [...new Set(lines.map(line => line[name]))].sort((a, b) => a.localeCompare(b));
}

// what nobody runs any more, and what nobody runs, come last
const old = line => Number(["history", "exact"].includes(line.framework));

function shown() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = line => [line.loss, line.framework, line.implementation, line.mode, line.dtype, line.program.version, ...line.says].join(" ").toLowerCase();
  const found = lines.filter(line => Object.entries(filters).every(([name, wanted]) => !wanted || (name === "says" ? line.says.includes(wanted) : line[name] === wanted)) && words.every(word => text(line).includes(word)));
  const compare = (a, b) => {
    const [p, q] = [a[sorted.by], b[sorted.by]];
    if (typeof p === "number") return Number.isNaN(p) - Number.isNaN(q) || (sorted.down ? q - p : p - q) || 0;
    return p.localeCompare(q) * (sorted.down ? -1 : 1);
  };
  return found.sort((a, b) => compare(a, b) || a.worst - b.worst || old(a) - old(b) || a.number - b.number || a.label.localeCompare(b.label));
}

function showTable() {
  const found = shown();
  $("found").textContent = `${found.length} of ${lines.length} rows: one for each ${objectives.length > 1 ? "loss, " : ""}program, precision, label and side.`;
  document.querySelector("#rows thead").replaceChildren(make("tr", {}, columns.map(([name, text]) =>
    make("th", {scope: "col", "aria-sort": sorted.by === name ? (sorted.down ? "descending" : "ascending") : null, class: NUMBERS.includes(name) ? "number" : null},
      make("button", {type: "button", "data-by": name}, text, sorted.by === name ? (sorted.down ? " ▼" : " ▲") : ""))), make("th", {scope: "col"}, "curve")));
  $("more").hidden = found.length <= limit;
  $("more").textContent = `Show all ${found.length} rows`;
  document.querySelector("#rows tbody").replaceChildren(...found.slice(0, limit).map(line => {
    const places = [line.gradient_zero_first, line.loss_flat, line.loss_off, line.gradient_off, line.first_nan].filter(v => !Number.isNaN(v));
    const x = outward(line, places.length ? places[0] : 16);
    const cell = ([name, text]) => make("td", {"data-name": text, class: NUMBERS.includes(name) ? "number" : null},
      name === "worst" ? line.says.join(", ") : name === "gradient_zero_first" && !line.program.has_gradient ? "no gradient" : NUMBERS.includes(name) ? (Number.isNaN(line[name]) ? "–" : short(line[name], 6)) : line[name]);
    return make("tr", {}, columns.map(cell), make("td", {"data-name": "curve"}, make("a", {href: hashFor(line.program, Number(line.label), x)}, "show")));
  }));
  if (!found.length) document.querySelector("#rows tbody").append(make("tr", {}, make("td", {colspan: columns.length + 1}, lines.length ? "No program agrees with all filters." : "This study has no thresholds.")));
}

function start() {
  const about = DATA.about, programs = DATA.programs.length;
  lines = rows.map(lineOf);
  columns = COLUMNS.filter(([name]) => name !== "loss" || objectives.length > 1);
  Object.assign(filters, {dtype: dtypes[0], objective: objectives[0]});
  document.title = `Explorer: ${about.study}`;
  $("about").textContent = `${programs} ${programs === 1 ? "program" : "programs"}, each in one precision, of ${frameworks.filter(f => !["exact", "history"].includes(f)).length} frameworks${frameworks.includes("history") ? ", past releases" : ""}${frameworks.includes("exact") ? " and the exact value" : ""}` + (objectives.length > 1 ? `, for ${objectives.length} losses.` : ".");
  if (programs) $("losses").textContent = capital(objectives.length > 1 ? "losses of classification" : DATA.objectives[0].title);
  $("day").textContent = `Measured ${about.date}, with the releases that are named.`;
  $("origin").textContent = `Study ${about.study}, measured ${about.date}` + (about.processors.length ? ` on ${about.processors.join("; ")}` : "") + ". Another processor can move thresholds, in half precision above all." +
    (about.note ? ` ${about.note}` : "") + (about.missing.length ? ` Not measured: ${about.missing.join("; ")}.` : "");
  if (programs) {
    // the page opens with a program that does harm, if there is one
    state.program = closest(DATA.questions.find(question => question.state)?.state || {objective: objectives[0], dtype: dtypesOf(programsOf(objectives[0]))[0]});
  } else {
    for (const part of $("explore").children) part.hidden = true;
    $("explore").append(make("p", {class: "notice"}, `No program was measured. ${about.missing.join("; ")}`));
  }
  for (const [name, text] of Object.entries(FILTERS)) {
    const element = make("select", {id: `filter-${name}`, "data-filter": name});
    const said = value => name === "objective" ? objectiveOf(value).title : value || "none";
    select(element, [["", "all"], ...valuesOf(name).map(value => [value, said(value)])], filters[name] || "");
    $("filters").append(make("div", {hidden: name === "objective" && objectives.length < 2}, make("label", {for: `filter-${name}`}, text), element));
    element.addEventListener("change", () => { filters[name] = element.value; showTable(); });
  }
  $("filters").append(make("button", {type: "reset"}, "No filters"));
  $("filters").addEventListener("reset", () => { Object.keys(filters).forEach(name => { filters[name] = ""; }); setTimeout(() => { document.querySelectorAll("[data-filter]").forEach(s => { s.value = ""; }); showTable(); }); });
  $("search").addEventListener("input", showTable);
  $("more").addEventListener("click", () => { limit = Infinity; showTable(); });
  window.addEventListener("beforeprint", () => { limit = Infinity; if (state.view === "table") showTable(); });
  $("rows").addEventListener("click", event => {
    const by = event.target.closest("[data-by]")?.dataset.by;
    if (!by) return;
    sorted.down = sorted.by === by && !sorted.down; sorted.by = by;
    showTable();
    document.querySelector(`[data-by=${by}]`).focus();
  });
  $("questions").append(...DATA.questions.map(({question, answer, state: shows}) => {
    const link = shows && hashFor(closest(shows), shows.label, measured(closest(shows), shows.label, shows.x), 40);
    return make("li", {}, make("h3", {}, question), link ? make("p", {}, make("a", {class: "button", href: link}, "Show it in the explorer")) : "", make("details", {}, make("summary", {}, "Answer"), make("p", {}, answer)));
  }));
  listen();
  readHash(location.hash);
  state.range = rangeFor(state.x, state.range);
  show();
}

function listen() {
  for (const event of ["submit"]) document.querySelectorAll("form").forEach(form => form.addEventListener(event, e => e.preventDefault()));
  $("slider").addEventListener("input", () => update({x: Number($("slider").value)}));
  let accepted = state.x;
  $("number").addEventListener("focus", () => { accepted = state.x; });
  $("number").addEventListener("input", () => { const x = typed($("number").value); if (Number.isFinite(x)) update({x}); });
  $("number").addEventListener("change", () => {
    const text = $("number").value, wrong = Number.isNaN(typed(text));
    if (wrong) update({x: accepted});
    $("number").value = accepted = state.x;
    say(wrong ? `A raw output is a finite number, such as 16.7 or 1000; "${text}" is none.` : "");
  });
  const step = by => { const at = state.curve.x, i = nearest(at, state.x), past = by > 0 ? at[i] > state.x : at[i] < state.x; update({x: at[Math.min(at.length - 1, Math.max(0, past ? i : i + by))]}); };
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  document.querySelectorAll("input[name=label]").forEach(radio => radio.addEventListener("change", () => update({label: Number(radio.value)})));
  document.querySelectorAll("input[name=scale]").forEach(radio => radio.addEventListener("change", () => update({scale: radio.value})));
  const KEYS = {objective: "objective", dtype: "dtype", framework: "framework", program: "implementation", mode: "mode"};
  for (const [id, key] of Object.entries(KEYS)) $(id).addEventListener("change", () => {
    const before = state.program;
    update({program: closest({...before, [key]: $(id).value, first: key})});
    say(key === "objective" && state.program.framework !== before.framework ? `${before.framework} was not measured with this loss.` : key !== "dtype" && state.program.dtype !== before.dtype ? `${state.program.framework} was measured in ${state.program.dtype}, not in ${before.dtype}.` : key === "dtype" && state.program.label !== before.label ? `${before.label} was not measured in ${state.program.dtype}.` : "");
    $(id).focus();
  });
  $("range").addEventListener("change", () => { const range = Number($("range").value); update({range, x: Math.max(-range, Math.min(range, state.x))}); });
  VIEWS.forEach((name, i) => {
    $(`tab-${name}`).addEventListener("click", () => update({view: name}));
    $(`tab-${name}`).addEventListener("keydown", event => {
      const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (by) { const next = VIEWS[(i + by + VIEWS.length) % VIEWS.length]; update({view: next}); $(`tab-${next}`).focus(); }
    });
  });
  $("copy").addEventListener("click", async () => {
    const link = location.href.split("#")[0] + hashOf(state);
    try { await navigator.clipboard.writeText(link); say("The link is in the clipboard."); } catch { prompt("The link to this state:", link); }
  });
  // a link to a state sets it, in a page without an address too
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#']");
    if (!link || link.hasAttribute("data-keep") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const moved = state.view;
    readHash(link.getAttribute("href"));
    show();
    try { history.pushState(null, "", hashOf(state)); } catch { /* as above */ }
    if (moved !== state.view) { $(state.view).focus({preventScroll: true}); scrollTo(0, 0); }
  });
  window.addEventListener("popstate", () => { if (location.hash !== written) { readHash(location.hash); show(); } });
  window.addEventListener("hashchange", () => { if (location.hash !== hashOf(state)) { readHash(location.hash); show(); } });
  let size = 0;
  new ResizeObserver(([entry]) => { if (entry.contentRect.width !== size && state.curve && state.view === "explore") { size = entry.contentRect.width; draw(); } }).observe($("chart-loss"));
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(element => { element.open = true; }));
}

unpacked($("data").textContent).then(data => { prepare(data); start(); }).catch(error => { say(`The data of this page cannot be read: ${error.message}.`); });
