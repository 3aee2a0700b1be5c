// A subject's doses go to another unit: given back here, and a code that the pharmacy asks for (S50).

import { choice, h } from './parts.js';
import { t } from './text.js';

const MOST = 6;  // subjects that stand on one screen

// Returns the screen of doses that are given back; null where nobody asked for it.
export function returnScreen({ view, local: { back } }) {
  if (!back || view.state !== 'idle') return null;
  return back.subject ? (codeOf(view, back.subject) ? 'back-code' : 'back-sure') : 'back';
}

const codeOf = (view, subject) => view.given_back.find((one) => one.subject === subject)?.code;
const leave = (page) => choice(t('back'), () => page.step({ back: null }), 'plain');

// Whose doses: those that are held, then those that were given back and whose code is wanted once more.
export function back(page) {
  const { held, given_back: given } = page.view, from = page.local.back.from ?? 0;
  const all = [...held, ...given.map(({ subject }) => subject)], shown = all.slice(from, from + MOST);
  const more = all.length > MOST ? [choice(t('more'), () => page.step({ back: { from: from + MOST < all.length ? from + MOST : 0 } }), 'plain')] : [];
  const subjects = shown.map((subject) => choice(subject, () => page.step({ back: { subject } }), held.includes(subject) ? '' : 'plain'));
  return { node: h('div', { class: 'form' }, h('h1', {}, t('back_title')),
    all.length ? h('div', { class: 'options' }, subjects) : h('p', { class: 'sentence' }, t('back_none')),
    h('div', { class: 'foot' }, more, leave(page))) };
}

export function sure(page) {
  const { subject } = page.local.back;
  const give = choice(t('back_give'), () => page.send('give-back', { operator: page.view.operator.code, subject }));
  const update = () => { give.disabled = page.pending; };
  return { update, node: h('div', { class: 'form limit' }, h('h1', {}, t('back_sure', { subject })),
    h('p', { class: 'sentence' }, t('back_what')), h('div', { class: 'foot' }, give, leave(page))) };
}

// The code is read by two persons, who name the unit and the subject to the pharmacy with it.
export function code(page) {
  const { subject } = page.local.back;
  return { node: h('div', { class: 'form limit' }, h('h1', {}, t('back_given', { subject })),
    h('p', { class: 'code' }, codeOf(page.view, subject)), h('p', { class: 'sentence' }, t('back_tell', { unit: page.view.unit })),
    h('div', { class: 'foot' }, choice(t('done'), () => page.step({ back: null })))) };
}
