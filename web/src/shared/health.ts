import { signal } from '@preact/signals';
import { call } from './http';

export interface Provider {
  name?: string;
  model?: string;
  label?: string;
}

/** Who answers, as the server says it. Every field may be missing: an older server says only that it is healthy. */
export const provider = signal<Provider | null>(null);
/** `null` until the first answer. */
export const healthy = signal<boolean | null>(null);
/** The operator lets people in without an account. */
export const guests = signal(false);

export async function askHealth(): Promise<void> {
  try {
    const health = await call<{ status?: string; provider?: Provider; anonymous_chat?: boolean }>('/health');
    healthy.value = health.status === 'healthy';
    provider.value = health.provider ?? null;
    guests.value = health.anonymous_chat === true;
  } catch {
    healthy.value = false;
  }
}

/** Answers from these are real but must not be taken for a large model's; the page says so. */
export function modelNotice(p: Provider | null): string | null {
  switch (p?.label) {
    case 'tiny local model':
      return 'A tiny local model answers. It needs no key and runs on this machine, but it is not clever: judge the streaming, not the wit.';
    case 'scripted':
      return 'A scripted provider answers: fixed text, no model. Useful for tests; the words mean nothing.';
    default:
      return null;
  }
}
