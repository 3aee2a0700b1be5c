// A wet glove touches twice: the second touch is of what has just gone, and is not to act on what came in its place (S45).

const BOUNCE_MS = 300, NEAR = 6;  // rem

let last = { at: -BOUNCE_MS, x: 0, y: 0, scene: 0 };

// Swallows a click that comes so soon after one at the same place, where something else has come up between the two.
// `scene` returns another number once something has.
export function catchBounces(node, scene) {
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  node.addEventListener('click', (event) => {
    const { clientX: x, clientY: y, detail } = event, at = performance.now();
    const near = Math.hypot(x - last.x, y - last.y) < NEAR * rem;
    if (detail && near && at - last.at < BOUNCE_MS && scene() !== last.scene) { event.stopImmediatePropagation(); return; }
    last = { at, x, y, scene: scene() };
  }, true);
}
