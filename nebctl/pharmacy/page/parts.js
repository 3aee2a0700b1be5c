// Building blocks and numbers. Text goes in as text only, so that no code can come with it.

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== ''));
  return node;
}

// Returns nanolitres as millilitres with two decimals.
export function ml(nl, round = Math.round) {
  return (round(nl / 1e4) / 100).toFixed(2);
}

// Returns an interval that is never shown narrower than it is.
export function span(low, high) {
  return `${ml(low, Math.floor)} to ${ml(high, Math.ceil)}`;
}

// Returns a UTC text as people read it, its zone with it.
export function utc(text, seconds = false) {
  return text ? `${text.slice(0, 10)} ${text.slice(11, seconds ? 19 : 16)} UTC` : 'never';
}

// Returns how long ago a moment was, in the largest unit that says it.
export function ago(text, now) {
  return text ? `${age(Math.max(0, Math.floor((Date.parse(now) - Date.parse(text)) / 1000)))} ago` : '';
}

export function age(seconds) {
  const [unit, size] = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]].find(([, each]) => seconds >= each) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

export function values(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return h('dl', { class: 'values' }, shown.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

export function table(heads, rows) {
  return h('table', {},
    h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, cell))))));
}
