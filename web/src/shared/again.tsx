import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Seconds until something may be tried again; redraws itself, and nothing else. */
function useSecondsTo(until: number | undefined): number {
  const now = useSignal(Date.now());
  const left = until === undefined ? 0 : Math.max(0, Math.ceil((until - now.value) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const tick = setInterval(() => (now.value = Date.now()), 500);
    return () => clearInterval(tick);
  }, [until, left === 0]);
  return left;
}

/** When the page connects again by itself. */
export function RetryIn({ at, attempt = 1 }: { at: number; attempt?: number }) {
  return (
    <span class="quiet">
      again in {useSecondsTo(at)} s{attempt > 1 && ` (try ${attempt})`}
    </span>
  );
}

/** A button that waits as long as the server asked for. */
export function Again({ name, until, onPress }: { name: string; until: number | undefined; onPress(): void }) {
  const left = useSecondsTo(until);
  return (
    <button type="button" class="plain" aria-disabled={left > 0} onClick={() => left > 0 || onPress()}>
      {left > 0 ? `${name} in ${left} s` : name}
    </button>
  );
}
