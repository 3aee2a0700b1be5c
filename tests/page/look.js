// Looks at everything that the page shows, and returns what a person in gloves at one metre would dislike.
(scale) => {
  const hue = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    const most = Math.max(r, g, b), least = Math.min(r, g, b);
    if (!a || most < 90 || (most - least) / most < 0.5) return null;
    const turn = most === r ? ((g - b) / (most - least) + 6) % 6 : most === g ? (b - r) / (most - least) + 2
      : (r - g) / (most - least) + 4;
    return turn * 60;
  };
  const alarming = (degrees) => degrees !== null
    && (degrees < 20 || degrees > 340 || (degrees > 40 && degrees < 70) || (degrees > 170 && degrees < 200));
  const problems = [];
  const buttons = [], texts = [];
  for (const node of document.querySelectorAll('#page *')) {
    if (!node.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(node), name = `${node.tagName} ${node.id || (node.className.baseVal ?? node.className)}`;
    const own = [...node.childNodes].filter((child) => child.nodeType === 3 && child.textContent.trim());
    const words = own.map((child) => child.textContent).join(' ');
    if (!node.closest('#alarm')) {
      for (const part of ['color', 'backgroundColor', 'borderTopColor', 'fill', 'stroke', 'outlineColor']) {
        if (/^rgb/.test(style[part]) && alarming(hue(style[part]))) problems.push(`${name}: ${part} ${style[part]}`);
      }
      if (style.animationName !== 'none') problems.push(`${name}: moves`);
    }
    if (words && parseFloat(style.fontSize) < 20) problems.push(`${name}: text of ${style.fontSize}: ${words}`);
    const box = node.getBoundingClientRect();
    if (node.tagName === 'BUTTON') {
      buttons.push({ node, box });
      const least = /^(upper|stop)$/.test(node.id) ? 104 : node.closest('#alarm') ? 66 : 78;
      if (box.width < least * scale - 0.5 || box.height < least * scale - 0.5) {
        problems.push(`${name}: ${box.width} x ${box.height}: ${node.textContent}`);
      }
    }
    const out = box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1;
    const cut = own.length && node.clientWidth && !node.closest('svg') && node.scrollWidth > node.clientWidth + 1;
    if (out || cut) problems.push(`${name}: cut off: ${words}`);
    if (own.length && node.closest('#main') && !node.closest('svg')) {
      const range = document.createRange();
      range.selectNodeContents(node);
      texts.push({ node, words, box: range.getBoundingClientRect() });
      const text = range.getBoundingClientRect(), main = document.getElementById('main').getBoundingClientRect();
      if (text.bottom > main.bottom + 1 || text.right > main.right + 1) problems.push(`${name}: over the edge: ${words}`);
    }
  }
  const seen = ({ node, box }) => document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2)?.closest('button') === node;
  const free = buttons.filter(seen);
  // The menu lies over the foot of a screen for a moment: its keys are compared with each other.
  const passing = ({ node }) => node.closest('#choices') !== null;
  for (const [at, one] of free.entries()) {
    for (const other of free.slice(at + 1)) {
      if (passing(one) !== passing(other)) continue;
      const across = Math.max(one.box.left, other.box.left) - Math.min(one.box.right, other.box.right);
      const down = Math.max(one.box.top, other.box.top) - Math.min(one.box.bottom, other.box.bottom);
      const gap = Math.max(across, down);
      if (gap < 16 * scale - 0.5) problems.push(`${one.node.textContent} and ${other.node.textContent}: ${gap.toFixed(1)} apart`);
    }
  }
  for (const { node, words, box } of document.getElementById('choices').hidden ? texts : []) {
    const under = free.find((one) => !one.node.contains(node) && box.left < one.box.right - 1 && box.right > one.box.left + 1
      && box.top < one.box.bottom - 1 && box.bottom > one.box.top + 1);
    if (under) problems.push(`${words}: under ${under.node.textContent}`);
  }
  return problems;
}
