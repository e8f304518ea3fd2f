// Amounts of BTT are decimal strings with up to 18 decimals. They are reckoned with as whole
// numbers of base units and never as floating point.

const decimals = 18;

/** units returns the base units of an amount; NaN-like text is a fault of the caller and throws. */
export function units(amount: string): bigint {
  const [whole = "0", frac = ""] = amount.split(".");
  return BigInt(whole + frac.padEnd(decimals, "0"));
}

/** amountOf is the inverse of units. */
export function amountOf(u: bigint): string {
  const text = u.toString().padStart(decimals + 1, "0");
  const frac = text.slice(-decimals).replace(/0+$/, "");
  return text.slice(0, -decimals) + (frac && `.${frac}`);
}

/** sum adds amounts. */
export function sum(amounts: Iterable<string>): string {
  let total = 0n;
  for (const a of amounts) total += units(a);
  return amountOf(total);
}

/** compare orders amounts, smallest first. */
export function compare(a: string, b: string): number {
  const d = units(a) - units(b);
  return d < 0n ? -1 : d > 0n ? 1 : 0;
}

/** share returns part/whole between 0 and 1, near enough to draw. */
export function share(part: string, whole: string): number {
  const w = units(whole);
  return w === 0n ? 0 : Number((units(part) * 1_000_000n) / w) / 1_000_000;
}

/**
 * places returns how many decimals a column needs so that its largest amount shows about five
 * digits: figures below one another then share a decimal point and can be compared at a glance.
 */
export function places(amounts: Iterable<string>): number {
  let top = 0n;
  for (const a of amounts) {
    const u = units(a);
    if (u > top) top = u;
  }
  if (top === 0n) return 2;
  const magnitude = top.toString().length - decimals; // digits before the point; ≤ 0 below one
  return Math.min(decimals, Math.max(2, 5 - magnitude));
}

/**
 * btt writes an amount with so many decimals, cut and not rounded: a page never shows more money
 * than there is. What is not zero but too small to show reads as "<0.01".
 */
export function btt(amount: string, digits = places([amount])): string {
  const u = units(amount);
  const whole = (u / 10n ** 18n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  const frac = (u % 10n ** 18n).toString().padStart(decimals, "0").slice(0, digits);
  if (u > 0n && whole === "0" && /^0*$/.test(frac)) {
    return digits === 0 ? "<1" : `<0.${"0".repeat(digits - 1)}1`;
  }
  return digits === 0 ? whole : `${whole}.${frac}`;
}

/** exact writes an amount with every decimal it has. */
export function exact(amount: string): string {
  const [whole = "0", frac] = amount.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return frac === undefined ? grouped : `${grouped}.${frac}`;
}

/** price writes a price: two decimals, more only where the price has them. */
export function price(amount: string): string {
  const frac = amount.split(".")[1] ?? "";
  return btt(amount, Math.max(2, Math.min(6, frac.length)));
}
