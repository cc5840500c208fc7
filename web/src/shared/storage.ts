/**
 * What survives a reload of this tab, and nothing longer: tokens live in sessionStorage at most, never in the address.
 * A browser may refuse storage altogether (private mode, blocked cookies); then the page works, only forgets.
 */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string | null): void;
}

export function tabStore(): Store {
  let backing: Storage | null = null;
  try {
    backing = window.sessionStorage;
  } catch {
    // Access itself throws when storage is blocked.
  }
  return {
    get(key) {
      try {
        return backing?.getItem(`headwater.${key}`) ?? null;
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null) backing?.removeItem(`headwater.${key}`);
        else backing?.setItem(`headwater.${key}`, value);
      } catch {
        // Full or refused: the page goes on without.
      }
    },
  };
}

export function memoryStore(): Store {
  const map = new Map<string, string>();
  return {
    get: (key) => map.get(key) ?? null,
    set: (key, value) => void (value === null ? map.delete(key) : map.set(key, value)),
  };
}

export function readJson<T>(store: Store, key: string): T | null {
  try {
    return JSON.parse(store.get(key) ?? 'null') as T | null;
  } catch {
    return null;
  }
}
