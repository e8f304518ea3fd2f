import { describe, expect, test } from "vitest";
import { amountOf, btt, compare, exact, places, price, share, sum, units } from "./amount";
import { count, gib, rate, size } from "./size";
import { ago, lasting, moment, short, span, told } from "./time";

describe("amounts", () => {
  test("units and amountOf undo each other to the last of 18 decimals", () => {
    for (const a of [
      "0",
      "1",
      "0.000000000000000001",
      "990000000000000",
      "12.5",
      "18.446744073709551616",
    ]) {
      expect(amountOf(units(a))).toBe(a);
    }
  });
  test("sums are exact where floating point is not", () => {
    expect(sum(["0.1", "0.2", "900000000000000"])).toBe("900000000000000.3");
  });
  test("amounts are ordered by value, not by text", () => {
    expect(["10", "9.5", "100", "0.1"].sort(compare)).toEqual(["0.1", "9.5", "10", "100"]);
  });
  test("nothing is rounded up: a page shows no money that is not there", () => {
    expect(btt("0.999999", 2)).toBe("0.99");
    expect(btt("1234567.899", 2)).toBe("1,234,567.89");
  });
  test("too little to show is not nothing", () => {
    expect(btt("0.000001", 2)).toBe("<0.01");
    expect(btt("0.4", 0)).toBe("<1");
    expect(btt("0", 2)).toBe("0.00");
  });
  test("a column shows about five digits of its largest amount", () => {
    expect(places(["123456", "0.1"])).toBe(2);
    expect(places(["12.5"])).toBe(3);
    expect(places(["0.00123"])).toBe(7);
    expect(places([])).toBe(2);
  });
  test("exact keeps every decimal", () =>
    expect(exact("1234.000000000000000001")).toBe("1,234.000000000000000001"));
  test("a price shows its ticks", () => {
    expect(price("300")).toBe("300.00");
    expect(price("0.4215")).toBe("0.4215");
    expect(price("0.000001")).toBe("0.000001");
  });
  test("a share of nothing is nothing", () => {
    expect(share("1", "4")).toBe(0.25);
    expect(share("1", "0")).toBe(0);
  });
});

describe("short times", () => {
  test("milliseconds below a second, seconds above", () => {
    expect(short(412)).toBe("0.4\u00a0ms");
    expect(short(12_345)).toBe("12.3\u00a0ms");
    expect(short(1_204_000)).toBe("1.20\u00a0s");
  });
});

describe("sizes", () => {
  test("three digits that count", () => {
    expect(size(0)).toBe("0\u00a0B");
    expect(size(64 << 20)).toBe("64.0\u00a0MiB");
    expect(size(1.5 * 2 ** 40)).toBe("1.50\u00a0TiB");
    expect(size(700 * 2 ** 20)).toBe("700\u00a0MiB");
  });
  test("GiB without unit", () => {
    expect(gib(64 << 20)).toBe("0.063");
    expect(gib(12345 * 2 ** 30)).toBe("12,345");
  });
  test("rates in megabits", () => expect(rate(2_500_000)).toBe("20\u00a0Mbit/s"));
  test("counts are grouped", () => expect(count(1234567)).toBe("1,234,567"));
});

describe("times", () => {
  test("spans are read as the market writes them", () => {
    expect(span("30d")).toBe(30 * 86_400_000);
    expect(span("1h30m")).toBe(5_400_000);
    expect(span("300ms")).toBe(300);
    expect(span("1.5s")).toBe(1500);
  });
  test("two units that count", () => {
    expect(lasting(8_400)).toBe("8s");
    expect(lasting(125_000)).toBe("2m\u00a005s");
    expect(lasting(86_400_000 * 3 + 3_600_000 * 4)).toBe("3d\u00a04h");
    expect(lasting(-5)).toBe("0s");
  });
  test("a moment is in UTC and says so", () => {
    expect(moment("2026-01-02T03:04:05.6Z")).toBe("2026-01-02 03:04:05\u00a0UTC");
    expect(ago("2026-01-02T03:04:05Z", Date.parse("2026-01-02T03:06:10Z"))).toBe(
      "2m\u00a005s\u00a0ago",
    );
  });
  test("Go's zero time is no time", () => {
    expect(told("0001-01-01T00:00:00Z")).toBe(false);
    expect(told(undefined)).toBe(false);
    expect(told("2026-01-02T03:04:05Z")).toBe(true);
  });
});
