// Floats: their bits, their texts, and the curves that the data hold as distances between floats.
const FORMATS = {float16: [5, 10], bfloat16: [8, 7], float32: [8, 23], float64: [11, 52]};
// digits that tell every float of a precision from its neighbours
const DIGITS = {float16: 9, bfloat16: 9, float32: 9, float64: 17, longdouble: 17};
const view = new DataView(new ArrayBuffer(8));

function bitsOf(value, format) {
  if (format === "float64") { view.setFloat64(0, value); return view.getBigUint64(0); }
  if (format !== "float16") {
    view.setFloat32(0, value);
    return BigInt(format === "float32" ? view.getUint32(0) : view.getUint16(0));
  }
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0, size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00n;
  if (size === Infinity) return BigInt(sign | 0x7c00);
  if (size < 2 ** -14) return BigInt(sign | (size * 2 ** 24));
  view.setFloat64(0, size);
  const exponent = (view.getUint16(0) >> 4) - 1023;
  return BigInt(sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024));
}

function valueOf(bits, format) {
  if (format === "float64") { view.setBigUint64(0, bits); return view.getFloat64(0); }
  if (format !== "float16") {
    view.setUint32(0, format === "float32" ? Number(bits) : Number(bits) * 65536);
    return view.getFloat32(0);
  }
  const b = Number(bits), sign = b & 0x8000 ? -1 : 1, e = (b >> 10) & 31, m = b & 1023;
  if (e === 31) return m ? NaN : sign * Infinity;
  return sign * (e ? (1 + m / 1024) * 2 ** (e - 15) : m * 2 ** -24);
}

const width = format => FORMATS[format][0] + FORMATS[format][1];

// bits as integers that grow with the value; -0 is just below 0
function ordered(value, format) {
  const bits = bitsOf(value, format), sign = 1n << BigInt(width(format));
  return bits < sign ? bits : sign - 1n - bits;
}

function fromOrdered(number, format) {
  const sign = 1n << BigInt(width(format));
  return valueOf(number < 0n ? sign - 1n - number : number, format);
}

function base36(text) {
  const size = [...text.replace("-", "")].reduce((n, c) => n * 36n + BigInt(parseInt(c, 36)), 0n);
  return text[0] === "-" ? -size : size;
}

function expanded(text) {
  return text ? text.split(" ").flatMap(part => {
    const [token, count] = part.split("*");
    return Array(Number(count || 1)).fill(token);
  }) : [];
}

// each token is a distance from a known float; ? is nan, = the value before
function values(text, near, format) {
  const found = [];
  expanded(text).forEach((token, i) => {
    if (token === "?") found.push(NaN);
    else if (token === "=") found.push(found[i - 1]);
    else {
      const known = near ? near[i] : i ? found[i - 1] : 0;
      found.push(token === "0" ? known : fromOrdered(ordered(known, format) + base36(token), format));
    }
  });
  return found;
}

const inDtype = (value, dtype) => dtype === "float32" ? Math.fround(value) : value;
const known = {};

// raw outputs and exact values, as a table holds them that losses and labels share
function pointsOf({objective, dtype}, label) {
  const table = objectiveOf(objective).tables[label], name = `${table} ${dtype}`;
  if (!known[name]) {
    const given = DATA.points[table][dtype], format = FORMATS[dtype] ? dtype : "float64";
    known[name] = {
      x: given.x.map(x => inDtype(x, dtype)),
      usual: expanded(given.usual).map(Number),
      loss: values(given.loss, null, format), gradient: values(given.gradient, null, format),
      rests: ["loss", "gradient"].map(q => given[q + "_rest"] && expanded(given[q + "_rest"]).map(Number)),
    };
  }
  return known[name];
}

// the samples of a program and label, by growing raw output; tables of label 1 are mirrored
function curveOf(program, label) {
  const number = program.curves[label], part = name => DATA.curves[name][number];
  if (number === null) return null;
  if (!known[number]) {
    const points = pointsOf(program, label), member = [...points.usual], sign = label ? -1 : 1;
    expanded(part("unusual")).map(step => Number(base36(step)))
      .reduce((at, step) => { member[at + step] = 1 - member[at + step]; return at + step; }, 0);
    const at = member.flatMap((there, i) => there ? [i] : []);
    if (label) at.reverse();
    const formats = part("format").trim().split(" ");
    const exact = [at.map(i => points.loss[i]), at.map(i => sign * points.gradient[i])];
    known[number] = {
      x: at.map(i => label ? 0 - points.x[i] : points.x[i]), formats, exact,
      value: [values(part("loss"), exact[0], formats[0]), values(part("gradient"), exact[1], formats[1])],
      // a rest of 1000 and more has half the unit
      rest: points.rests.map((rests, q) => rests && at.map(i => {
        const half = rests[i] >= 900;
        return [(q ? sign : 1) * (rests[i] - (half ? 1000 : 0)) / 100, half ? 0.5 : 1];
      })),
    };
  }
  return known[number];
}

function nearest(xs, x) {
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle; else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

function unitAt(value, dtype) {
  const [e, m] = FORMATS[dtype], least = 2 - 2 ** (e - 1);
  view.setFloat64(0, Math.abs(value));
  return 2 ** (Math.max((view.getUint16(0) >> 4) - 1023, least) - m);
}

// how far a value is from the exact one before that was rounded
function ulps(curve, q, i, dtype) {
  if (!curve.rest[q] || !Number.isFinite(curve.value[q][i])) return null;
  const [rest, share] = curve.rest[q][i], exact = curve.exact[q][i];
  return Math.abs((curve.value[q][i] - exact) / (unitAt(exact, dtype) * share) - rest);
}

const sign = text => text.replace(/e([+-])0*(\d)/, (_, s, d) => "e" + (s === "-" ? "-" : "") + d).replace(/^-/, "−").replace("e-", "e−");

function short(value, digits = 4) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  if (value === 0) return Object.is(value, -0) ? "−0" : "0";
  const size = Math.abs(value);
  const text = size < 1e-4 || size >= 1e7 ? value.toExponential(digits - 1).replace(/\.?0+e/, "e") :
    String(Number(value.toPrecision(digits)));
  return sign(text);
}

const full = (value, format) => short(value, DIGITS[format]);

function kindOf(value, format) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return "infinite";
  if (value === 0) return Object.is(value, -0) ? "minus zero" : "zero";
  return Math.abs(value) < 2 ** (2 - 2 ** (FORMATS[format][0] - 1)) ? "subnormal" : "normal";
}
