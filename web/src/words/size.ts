const steps = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** size writes bytes with three digits that count: "64.0 MiB", "1.50 TiB". */
export function size(bytes: number): string {
  let n = bytes;
  let step = 0;
  while (n >= 1024 && step < steps.length - 1) {
    n /= 1024;
    step++;
  }
  const digits = step === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return `${n.toFixed(digits)}\u00a0${steps[step] ?? ""}`;
}

/** gib writes bytes as a number of GiB, for figures whose unit stands elsewhere. */
export function gib(bytes: number): string {
  const n = bytes / 2 ** 30;
  const digits = n >= 1000 ? 0 : n >= 10 ? 1 : n >= 1 ? 2 : 3;
  return n.toFixed(digits).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
}

/** rate writes bytes a second as people buy it: megabits. */
export function rate(bytesPerSecond: number): string {
  const mbit = (bytesPerSecond * 8) / 1e6;
  return `${mbit >= 10 ? mbit.toFixed(0) : mbit.toFixed(1)}\u00a0Mbit/s`;
}

/** count writes a whole number with its digits grouped. */
export function count(n: number): string {
  return n.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}
