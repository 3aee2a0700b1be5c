// A limit that persons may let a dose pass: what it says, why all the same, and who answers for it (S02, S05). A run that
// the nebulizer remembers and no record names is asked about in the same way, by any site's rules.

import { entry } from './entries.js';
import { box, choice, h, letters, onEnter } from './parts.js';
import { credential } from './signin.js';
import { heard, t } from './text.js';

const NEEDED = ['band', 'card', 'kit'];
const REASONS = {
  soft: ['ordered', 'late', 'leaves', 'other'], extra: ['ordered', 'lost', 'other'], run: ['pharmacy', 'elsewhere', 'trial', 'other'],
};
const KINDS = { 'extra-dose': 'extra', 'run-unknown': 'run' };
const answering = ({ kind }) => (kind === 'extra' ? 'persons' : 'confirm');
const SCREENS = { words: 'limit-words', confirm: 'limit-confirm', persons: 'limit-persons' };

const read = ({ scanned }) => JSON.stringify(NEEDED.map((kind) => scanned[kind]));

// Takes a refusal that one person, or two, may lift: its screen comes in the place of the sentence. Returns whether it is
// one; every other limit is hard, and stays a sentence.
export function offer(page, { code, sentence }) {
  const kind = KINDS[code] ?? (page.view.soft.includes(code) ? 'soft' : null);
  if (kind) page.step({ limit: { kind, code, sentence, of: read(page.view) } });
  return kind !== null;
}

// Returns the screen of a limit that is asked about; null where none is.
export function limitScreen({ local: { limit } }) {
  return limit ? SCREENS[limit.at] ?? 'limit' : null;
}

// What was scanned is given in the same way again; a subject that was typed needs the second person's PIN again.
const said = ({ code, sentence }) => heard(`refused_${code}`, sentence);
const goTo = (page, change) => page.step({ limit: { ...page.local.limit, ...change } });
const leave = (page) => page.step({ limit: null });

// The codes are kept for two minutes; when they are gone, or others were scanned, the question is no longer about them.
function watching(page) {
  return (view) => { if (!page.local.vouch && page.local.limit && read(view) !== page.local.limit.of) leave(page); };
}

export function limit(page) {
  const { limit: asked } = page.local, next = answering(asked);
  const because = (reason) => goTo(page, reason === 'other' ? { at: 'words' } : { at: next, reason: t(`${asked.kind}_${reason}`) });
  const node = h('div', { class: 'form limit' }, h('h1', {}, t(`limit_${asked.kind}`)), h('p', { class: 'sentence' }, said(asked)),
    h('div', { class: 'options' }, REASONS[asked.kind].map((reason) => choice(t(`${asked.kind}_${reason}`), () => because(reason), 'plain'))),
    h('div', { class: 'foot' }, choice(t('limit_keep'), () => leave(page))));
  return { node, update: watching(page) };
}

export function words(page) {
  const field = box(t('why_words'), 'why'), next = answering(page.local.limit);
  const go = () => { if (field.input.value.trim()) goTo(page, { at: next, reason: field.input.value.trim() }); };
  field.input.setAttribute('maxlength', '200');
  onEnter([field], go);
  const button = h('div', { class: 'row bottom' }, choice(t('next'), go), choice(t('back'), () => goTo(page, { at: null }), 'plain'));
  const node = entry({ title: t('why_other_title'), boxes: [field], point: '', button, pad: letters(field, t('delete')) });
  return { node, focus: field.input, update: watching(page) };
}

function readBack(asked, people) {
  const rows = [['limit_says', said(asked)], ['limit_reason', asked.reason], ...people];
  return h('dl', { class: 'facts wide' }, rows.map(([label, value]) => h('div', {}, h('dt', {}, t(label)), h('dd', {}, value))));
}

// One person lets a soft limit pass, or answers for a run: everything read back, and one more touch.
export function confirm(page) {
  const { limit: asked, vouch } = page.local, { code, name } = page.view.operator;
  const confirmed = { limit: asked.code, reason: asked.reason };
  const go = async () => {
    if (vouch) { page.step({ limit: null, vouch: 'second', confirmed }); return; }
    await page.send('scan', { operator: code, confirmed });
    leave(page);  // one person lets one limit pass: what else stands against the dose is a sentence
  };
  const take = choice(t('limit_take'), go);
  const update = (view) => { take.disabled = page.pending; watching(page)(view); };
  return { update, node: h('div', { class: 'form limit' }, h('h1', {}, t('limit_confirm')), readBack(asked, [['limit_who', `${name} (${code})`]]),
    h('div', { class: 'foot' }, take, choice(t('back'), () => goTo(page, { at: null }), 'plain'))) };
}

// Two persons let a dose beyond the study protocol pass: the one who is logged in, then another, each with badge and PIN.
// Neither PIN outlives the screen; where one was not taken, both are asked for anew.
export function persons(page) {
  const node = h('div'), { limit: asked, vouch, subject, why } = page.local;
  let first = null, shown = null;
  const note = (key) => [h('p', { class: 'note' }, t(key)), h('p', { class: 'note quiet' }, asked.reason)];
  const ask = (form) => {
    shown = credential(page, { ...form, back: () => goTo(page, { at: null }) });
    node.replaceChildren(shown.node);
    if (document.getElementById('notice').hidden) shown.focus.focus();
  };
  const own = () => ask({ title: t('extra_own'), badge: page.view.operator.code, button: t('next'), under: note('extra_text'),
    done: (given) => { first = given; other(); return true; } });
  const typed = ({ operator, pin }) => vouch ? { typed: { subject, reason: why, second: operator, pin } } : {};
  const both = async (second) => {
    if (await page.send('override', { reason: asked.reason, persons: [first, second], ...typed(second) })) {
      page.step({ limit: null, vouch: null });
    } else if (node.isConnected) own();
    first = null;
    return true;
  };
  const { operator: { code }, prefixes: { operator: begins } } = page.view;
  const badge = begins.find((one) => !code.startsWith(one)) ?? begins[0] ?? '';  // an investigator's begins otherwise
  const other = () => ask({ title: t('extra_second'), badge, button: t('limit_take'), under: note('extra_text'), done: both });
  own();
  return { node, focus: shown.focus, update: (view) => { shown.scanned(view); watching(page)(view); } };
}
