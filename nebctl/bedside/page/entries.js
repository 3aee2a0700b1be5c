// The screens on which something is scanned, typed or measured.

import { box, choice, h, keys, onEnter, say } from './parts.js';
import { ml, t } from './text.js';

// Builds one such screen: a title, boxes with a button under them, and the keys beside.
export function entry({ title, boxes, point, under = [], button, pad = keys(boxes, { point, erase: t('delete') }) }) {
  const fields = h('div', { class: 'boxes' }, boxes.map(({ node }) => node), under, button);
  return h('div', { class: 'entry' }, h('h1', {}, title), fields, pad);
}

export function begins(page, kind) {
  return page.view.prefixes[kind][0] ?? '';
}

// Lets a button be touched once more stands in a box than what each code begins with; returns whether it does.
export function onceTyped(button, { input }, beginnings) {
  const typed = () => !['', ...beginnings()].includes(input.value.trim());
  const show = () => { button.disabled = !typed(); };
  input.addEventListener('input', show);
  show();
  return typed;
}

// Reads "2.98" as whole nanolitres without a float between; null where it is no volume.
function nanolitres(text) {
  const match = /^(\d{1,2})(?:\.(\d{0,6}))?$/.exec(text);
  return match ? Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0')) : null;
}

// Asks for a volume and how well it was read; `take` is given it as the unit takes volumes, as texts with their unit.
export function amount(page, { title, half, halves, take, back }) {
  const field = box(t('box_volume'), 'volume');
  let width = half;
  const range = choice('', () => { width = halves[(halves.indexOf(width) + 1) % halves.length]; show(); }, 'plain');
  const sum = h('p', { class: 'sentence' }), reads = h('span');
  range.append(reads, h('small', {}, t('weigh_range_note')));
  const go = () => { const best = nanolitres(field.input.value); if (best !== null) take(measured(best, width)); };
  const button = choice(t('take'), go);
  const show = () => {
    const best = nanolitres(field.input.value);
    say(reads, t('weigh_range', { half: width / 1e6 }));
    say(sum, best === null ? '' : t('measure_sum', { low: ml(Math.max(0, best - width)), high: ml(best + width) }));
    button.disabled = best === null;
  };
  field.input.addEventListener('input', show);
  onEnter([field], go);
  show();
  const node = entry({ title, boxes: [field], point: '.', under: [range, sum],
    button: h('div', { class: 'row bottom' }, button, choice(t('back'), back, 'plain')) });
  return { node, focus: field.input };
}

function measured(best, width) {
  const text = (nl) => `${ml(nl, 6)} mL`;
  return { volume: text(best), low: text(Math.max(0, best - width)), high: text(best + width) };
}
