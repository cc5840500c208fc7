/**
 * Runs `paint` at most once a displayed frame. A model may send hundreds of tokens a second; the screen shows sixty.
 * A hidden tab gets no frames at all, which is right: state is kept by the caller and painted when it is seen again.
 */
export function onceAFrame(paint: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
