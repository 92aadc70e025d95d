// When to draw: in the next animation frame, or soon where there is none.

const SOON_MS = 250;

/**
 * Calls `draw` once. A tab behind another has no frames, but its status is still read: by screen readers, by the
 * preview of a task bar, and by the person who comes back to it.
 * @param {() => void} draw
 */
export function inNextFrame(draw) {
  const once = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    draw();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, SOON_MS);
}
