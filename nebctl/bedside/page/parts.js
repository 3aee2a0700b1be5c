// The few building blocks of every screen. Text goes in as text only, so that no code can come with it.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((child) => child !== null));
  return node;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Keeps each word on one line: no code is broken at its hyphen.
export function unbroken(sentence) {
  return sentence.split(/(?<=[，：])|(?<= )/).flatMap((word) => [h('span', { class: 'whole' }, word.trimEnd()), word.endsWith(' ') ? ' ' : '']);
}

// Changes a node only where it differs: the page is drawn many times a second.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function choice(text, act, kind = '') {
  return h('button', { class: `choice ${kind}`, type: 'button', onclick: act }, text);
}

// A box that a scanner, a keyboard or the keys on the screen fill. What it begins with is selected, so that a scan
// replaces it while the keys on the screen add to it.
export function box(label, name, begins = '') {
  const input = h('input', {
    name, autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', inputmode: 'none', maxlength: '64',
  });
  input.value = begins;
  // Selecting also takes the focus, which by then may have moved on: a scan must never land in another box.
  input.addEventListener('focus', () => setTimeout(() => document.activeElement === input && input.select()));
  return { input, node: h('label', { class: 'box' }, h('span', {}, label), input) };
}

// A key on the screen: it leaves the focus in the box that it fills.
function key(text, act, kind = '') {
  const button = h('button', { type: 'button', class: kind, tabindex: '-1', onclick: act }, text);
  button.addEventListener('pointerdown', (event) => event.preventDefault());
  return button;
}

// The keys that fill whichever of these boxes has the focus.
export function keys(boxes, { point, erase }) {
  let target = boxes[0];
  for (const one of boxes) one.input.addEventListener('focus', () => { target = one; });
  const put = (text) => () => {
    target.input.value += text;
    target.input.dispatchEvent(new Event('input'));
  };
  const drop = () => {
    target.input.value = target.input.value.slice(0, -1);
    target.input.dispatchEvent(new Event('input'));
  };
  const digits = [...'123456789'].map((digit) => key(digit, put(digit)));
  return h('div', { class: 'keys' }, digits, point ? key(point, put(point)) : h('span'), key('0', put('0')), key(erase, drop, 'named'));
}

const GROUPS = ['.,-1', 'abc2', 'def3', 'ghi4', 'jkl5', 'mno6', 'pqrs7', 'tuv8', 'wxyz9', "'?!", ' 0'];
const AGAIN_MS = 900;

// Keys with several letters each, as on a telephone: the same key again within AGAIN_MS is its next letter.
export function letters({ input }, erase) {
  let last = { group: '', at: 0, time: 0 };
  const write = (value) => { input.value = value; input.dispatchEvent(new Event('input')); };
  const put = (group) => () => {
    const again = group === last.group && performance.now() - last.time < AGAIN_MS && input.value;
    const at = again ? (last.at + 1) % group.length : 0;
    last = { group, at, time: performance.now() };
    write((again ? input.value.slice(0, -1) : input.value) + group[at]);
  };
  const drop = () => { last = { group: '', at: 0, time: 0 }; write(input.value.slice(0, -1)); };
  const keys = GROUPS.map((group) => key(group.replace(' ', '␣ '), put(group), 'named'));
  return h('div', { class: 'keys' }, keys, key(erase, drop, 'named'));
}

// Moves on with Enter, which scanners send after each code: to the next box, and after the last to `done`.
export function onEnter(boxes, done) {
  boxes.forEach(({ input }, at) => {
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      if (at + 1 < boxes.length) boxes[at + 1].input.focus();
      else done();
    });
  });
}
