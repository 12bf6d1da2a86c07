
// Numbers as people read them. Absent values are a dash.
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const show = {
  // Three or four significant digits, no exponent where a plain number is readable.
  real(value) {
    if (!known(value)) return "\u2013";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
    return size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  },
  fixed: (digits) => (value) => (known(value) ? value.toFixed(digits) : "\u2013"),
  signed: (digits) => (value) => (known(value) ? (value > 0 ? "+" : value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(digits) : "\u2013"),
  db: (value) => (known(value) ? value.toFixed(1) : "\u2013"),
  percent(value) {
    if (!known(value)) return "\u2013";
    return value === 0 ? "0" : value < 0.01 ? "< 0.01" : value.toFixed(value < 1 ? 2 : 1);
  },
  // A percentage on a logarithmic axis: 10, 1, 0.1 ... 1e-5.
  share: (value) => (value >= 0.001 ? String(Number(value.toPrecision(1))) : value.toExponential(0)),
  size(bytes) {
    if (!known(bytes)) return "\u2013";
    if (bytes < 1e3) return bytes + " B";
    return bytes < 1e6 ? (bytes / 1e3).toFixed(1) + " kB" : (bytes / 1e6).toFixed(2) + " MB";
  },
  range(pair) {
    if (!pair || !known(pair[0]) || !known(pair[1])) return "\u2013";
    const reach = Math.max(Math.abs(pair[0]), Math.abs(pair[1]));
    return pair.map((value) => show.real(Math.abs(value) < 1e-6 * reach ? 0 : value)).join(" \u2026 ");
  },
  count: (value, noun, plural = noun + "s") => value + " " + (value === 1 ? noun : plural),
};
