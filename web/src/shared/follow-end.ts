import { useLayoutEffect, useRef } from 'preact/hooks';

/** Text grows at the bottom: stay there after every paint, unless the reader has scrolled up to read. */
export function useFollowEnd<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    const el = ref.current;
    if (el && following.current) el.scrollTop = el.scrollHeight;
  });
  const onScroll = () => {
    const el = ref.current;
    if (el) following.current = el.scrollHeight - el.scrollTop - el.clientHeight < 48;
  };
  return { ref, onScroll };
}
