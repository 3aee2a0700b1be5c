// What the unit's own scanner reads: subject, kit and cup. No code is ever typed into a page as if it had been scanned.

import { box, choice, h, onEnter, say, unbroken } from './parts.js';
import { begins, entry, onceTyped } from './entries.js';
import { offer } from './limits.js';
import { credential } from './signin.js';
import { heard, t } from './text.js';

const NEEDED = ['band', 'card', 'kit'];

let told = null;  // the count of scans whose sentence was shown

// Shows why the newest scan was not taken, once; what was refused before the page was opened is not told again.
export function tellScans(page) {
  const { count, refused } = page.view.scanned;
  const news = told !== null && count !== told;
  told = count;  // before the sentence, which draws the page anew
  if (news && refused) page.notice(heard(`refused_${refused.code}`, refused.sentence));
}

// Whether something was scanned for a dose; the first code brings its screen.
export function isScanning({ view }) {
  return NEEDED.some((kind) => view.scanned[kind]);
}

// Whether wristband and study card were read: nobody has to be vouched for.
const isKnown = ({ band, card }) => Boolean(band && card);

// What to scan next; or, where the scanner is not there, that it has to be plugged in first.
function toScan({ scanner }, key) {
  return t(scanner === 'unplugged' ? 'scanner_unplugged' : key);
}

function slot(label) {
  const text = h('strong', {}, '');
  return { node: h('div', { class: 'slot' }, h('span', {}, label), text), text };
}

// Three slots that fill as codes come; a cup that was read with its kit stands beside it. Whoever touches Check, on this page, asks the unit with her own name.
export function scan(page) {
  page.local.scan = true;  // a code alone may have brought the screen, which stays until a dose begins or she goes back
  const slots = Object.fromEntries(NEEDED.map((kind) => [kind, slot(t(`slot_${kind}`))]));
  const what = h('p', { class: 'sentence' });
  const back = choice(t('back'), () => { page.step({ scan: false }); page.send('unscan'); }, 'plain');
  const vouch = choice(t('vouch_go'), () => page.step({ vouch: 'vouch' }), 'plain');
  const check = choice(t('scan_check'), () => page.send('scan', { operator: page.view.operator.code }, (refused) => offer(page, refused)));
  const clock = choice(t('clock_check'), () => page.step({ clock: {} }));
  // While the clock is not sure no kit is taken: it would be opened for a dose that cannot be started.
  const update = ({ scanned, clock_trusted: trusted }) => {
    for (const [kind, { node, text }] of Object.entries(slots)) {
      say(text, kind === 'kit' && scanned.kit && scanned.cup ? `${scanned.kit} · ${scanned.cup}` : scanned[kind] ?? '');
      node.classList.toggle('full', scanned[kind] !== null);
    }
    const next = NEEDED.find((kind) => !scanned[kind]);
    say(what, !trusted ? t('clock_idle') : next ? toScan(scanned, `scan_${next}`) : '');
    check.hidden = Boolean(next) || !trusted;
    vouch.hidden = !trusted || isKnown(scanned);
    clock.hidden = trusted;
    what.hidden = !next && trusted;
    check.disabled = page.pending;
  };
  const node = h('div', {}, h('h1', {}, t('scan_title')), h('div', { class: 'slots' }, Object.values(slots).map((one) => one.node)),
    what, h('div', { class: 'foot' }, clock, check, back, vouch));
  return { node, update };
}

// A subject whose codes cannot be scanned: a reason, the pseudonym as it is typed, and a second person who vouches for it.
export function vouch(page) {
  const because = (key) => choice(t(key), () => page.step({ vouch: 'typed', why: t(key), confirmed: null }));
  const back = choice(t('back'), () => page.step({ vouch: null }), 'plain');
  const reasons = [because('vouch_lost'), because('vouch_torn')], what = h('p', { class: 'sentence' });
  const update = ({ scanned }) => {  // the kit is scanned first: nobody is to vouch for nothing
    if (isKnown(scanned)) { page.step({ vouch: null }); return; }
    what.hidden = scanned.kit !== null;
    for (const reason of reasons) reason.disabled = scanned.kit === null;
    say(what, toScan(scanned, 'scan_kit'));
  };
  return { update, node: h('div', {}, h('h1', {}, t('vouch_title')), h('div', { class: 'stack' }, reasons, back, what)) };
}

export function typed(page) {
  const subject = box(t('box_typed_subject'), 'subject', begins(page, 'subject'));
  const next = choice(t('next'), () => go()), is = onceTyped(next, subject, () => page.view.prefixes.subject);
  const go = () => { if (is()) page.step({ vouch: 'second', subject: subject.input.value.trim() }); };
  onEnter([subject], go);
  const back = choice(t('back'), () => page.step({ vouch: 'vouch' }), 'plain');
  const button = h('div', { class: 'row bottom' }, next, back);
  return { node: entry({ title: t('typed_title'), boxes: [subject], point: '-', button }), focus: subject.input };
}

export function second(page) {
  const done = async ({ operator, pin }) => {
    const { subject, why: reason, confirmed } = page.local, typed = { subject, reason, second: operator, pin };
    const body = { operator: page.view.operator.code, typed, ...(confirmed ? { confirmed } : {}) };
    const given = await page.send('scan', body, (refused) => !confirmed && offer(page, refused));
    if (given) page.step({ vouch: null, confirmed: null });
    return given;
  };
  const note = h('p', { class: 'note' }, unbroken(t('second_note', { subject: page.local.subject })));
  const asked = credential(page, {
    title: t('second_title'), badge: begins(page, 'operator'), button: t('second_go'), done, under: [note],
    back: () => page.step({ vouch: 'typed' }),
  });
  return { node: asked.node, update: asked.scanned, focus: asked.focus };
}

const CUP = 'CUP-';

// The cup's code; a number that must be typed has its reason.
export function cup(page) {
  const what = h('p', { class: 'sentence' });
  const typed = choice(t('cup_unreadable'), () => page.step({ fill: 'cup-typed' }), 'plain');
  const node = h('div', {}, h('h1', {}, t('cup_title')), what, h('p', { class: 'note quiet' }, t('review_wrong')), h('div', { class: 'foot' }, typed));
  const update = ({ scanned }) => {
    say(what, toScan(scanned, 'scan_cup'));
    if (scanned.cup) page.step({ fill: 'charge', cup: {} });
  };
  return { node, update };
}

export function cupTyped(page) {
  const code = box(t('box_cup'), 'cup', CUP);
  const next = choice(t('cup_next'), () => go()), is = onceTyped(next, code, () => [CUP]);
  const go = () => { if (is()) page.step({ fill: 'charge', cup: { cup: code.input.value.trim(), cup_typed: t('cup_unreadable') } }); };
  onEnter([code], go);
  const back = choice(t('back'), () => page.step({ fill: null }), 'plain');
  const button = h('div', { class: 'row bottom' }, next, back);
  return { node: entry({ title: t('cup_title'), boxes: [code], point: '-', button }), focus: code.input };
}
