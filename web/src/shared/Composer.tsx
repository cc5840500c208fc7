/** Where a question is written: suggestions above it, stop and the rest below. */
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';

interface Composing {
  suggestions: string[];
  /** What the field is called, for a screen reader. */
  label: string;
  placeholder: string;
  /** What sends. */
  word: string;
  /** Something streams, and it is being stopped. */
  live: boolean;
  stopping: boolean;
  connected: boolean;
  /** Whether it was taken: the field is emptied then. */
  onAsk(text: string): boolean;
  onType?(): void;
  onStop(): void;
  onDrop(): void;
  /** How the question is to be answered, above the field. */
  children?: ComponentChildren;
}

export function Composer({ suggestions, label, placeholder, word, live, stopping, connected, onAsk, onType, onStop, onDrop, children }: Composing) {
  const text = useSignal('');
  const field = useRef<HTMLTextAreaElement>(null);
  const send = (what: string) => {
    if (onAsk(what)) text.value = '';
    else if (!what.trim()) field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(e) => {
        e.preventDefault();
        send(text.value);
      }}
    >
      <div class="suggest" role="group" aria-label="Suggested questions">
        {suggestions.map((q) => (
          <button key={q} type="button" class="pill" onClick={() => (send(q), field.current?.focus())}>
            {q}
          </button>
        ))}
      </div>
      {children}
      <div class="row">
        <label class="sr" for="message">
          {label}
        </label>
        <textarea
          id="message"
          ref={field}
          class="grow"
          rows={1}
          placeholder={placeholder}
          value={text.value}
          onInput={(e) => {
            text.value = e.currentTarget.value;
            onType?.();
          }}
          onKeyDown={(e) => {
            // While an input method composes, Enter belongs to it.
            if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
            e.preventDefault();
            send(text.value);
          }}
        />
        <button id="send" type="submit" class="primary">
          {word}
        </button>
      </div>
      <div class="row controls">
        {/* aria-disabled keeps the keyboard's place when the answer ends under the finger. */}
        <button id="stop" type="button" class="stop" aria-disabled={!live || stopping} onClick={onStop}>
          {stopping ? 'Stopping…' : 'Stop'}
        </button>
        <button id="drop" type="button" aria-disabled={!connected} onClick={onDrop}>
          Drop connection and resume
        </button>
      </div>
    </form>
  );
}
