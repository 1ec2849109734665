// The data: unpacked once, before anything is shown.
const ORDER = ["float32", "float64", "bfloat16", "float16", "longdouble"];
let DATA, rows, dtypes, frameworks, objectives;

const title = p => `${p.framework}: ${p.implementation}`;

async function unpacked(text) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser has no DecompressionStream. Chrome and Edge have it from 80 on, Firefox from 113, Safari from 16.4");
  }
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function prepare(data) {
  DATA = data;
  objectives = DATA.objectives.map(o => o.name);
  DATA.programs.forEach(p => { p.label = title(p); });
  rows = DATA.rows.map(([program, label, side, consequences, ...numbers]) => {
    const row = {program: DATA.programs[program], number: program, label, wrong: side === 1, consequences};
    DATA.shown.forEach((name, i) => {
      const dtype = name.endsWith("value") ? "float64" : row.program.dtype;
      row[name] = numbers[i] === "" ? NaN : inDtype(Number(numbers[i]), dtype);
    });
    return row;
  });
  dtypes = dtypesOf(DATA.programs);
  frameworks = frameworksOf(DATA.programs);
}

// precisions and frameworks of some programs, in the order in which they are offered
function dtypesOf(programs) {
  const found = [...new Set(programs.map(p => p.dtype))];
  return ORDER.filter(d => found.includes(d)).concat(found.filter(d => !ORDER.includes(d)));
}

const frameworksOf = programs => [...new Set(programs.map(p => p.framework))].sort((a, b) => a.localeCompare(b));
const objectiveOf = name => DATA.objectives.find(o => o.name === name);
const programsOf = objective => DATA.programs.filter(p => p.objective === objective);
const capital = text => text[0].toUpperCase() + text.slice(1);
