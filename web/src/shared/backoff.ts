/**
 * Full jitter: a uniform draw from zero to an exponentially growing ceiling. Many pages that lost the same server
 * come back spread out; an equal or "half" jitter still arrives in waves.
 */
export function fullJitter(attempt: number, random: number, base = 500, cap = 15_000): number {
  const ceiling = Math.min(cap, base * 2 ** Math.min(attempt, 20));
  return Math.round(random * ceiling);
}
