// The last two screens before a dose: the self-test's list, and the values read back from the core.

import { calibrationSaid } from './chart.js';
import { begin } from './forms.js';
import { choice, h, say, unbroken } from './parts.js';
import { content, heard, interval, ml, said, t, volume } from './text.js';

const LONG = 36;  // what a line says beyond so many letters needs the whole width

// What is not good stands first, large, with what to do; what is good needs no more than a tick and a word.
export function selftest(page) {
  const failed = h('ul', { class: 'failed' }), passed = h('ul', { class: 'checks' }), told = h('p', { class: 'sentence' });
  const again = choice(t('test_again'), () => page.send('self-test'), 'plain');
  const go = choice(t('test_review'), () => showReview(page));
  const chart = chartFirst(page), clock = choice(t('clock_check'), () => page.step({ clock: {} }));
  let shown = null;
  const update = ({ self_test: checks, state }) => {
    const ready = state === 'ready', now = JSON.stringify([checks, ready, page.pending]);
    if (now === shown) return;
    shown = now;
    failed.replaceChildren(...checks.filter(({ good }) => !good).map(line));
    passed.replaceChildren(...checks.filter(({ good }) => good).map(line));
    say(told, checks.length && !page.pending ? (ready ? '' : t('test_failed')) : t('test_runs'));
    told.hidden = !told.textContent;
    again.disabled = page.pending;
    go.hidden = chart.hidden = !ready;
    again.hidden = ready;
    clock.hidden = !checks.some(({ name, good }) => name === 'clock' && !good);
  };
  return { node: h('div', {}, h('h1', {}, t('test_title')), told, failed, passed, h('div', { class: 'foot' }, clock, again, go, chart)), update };
}

function line({ name, good, note, facts }) {
  const told = facts ? calibrationSaid(facts) : heard('note', note);
  return h('li', { class: told.length > LONG ? 'wide' : '' }, h('span', { class: 'tick' }, good ? '✓' : '✗'),
    h('div', {}, h('strong', {}, said(`check_${name}`, name)), ' ', h('span', {}, told)));
}

// Goes to the review, and lets the unit know: only then does START beside the screen do what this page's START does.
function showReview(page) {
  const { auth } = page.view.review;
  page.step({ reviewed: auth });
  page.send('reviewed', { auth });
}

export function review(page) {
  const { review: read, charge: filled } = page.view;
  const values = { ...read, volume: whole(volume(read.volume_nl)), content: content(read.content) };
  const inCup = `${ml(filled.best_nl)} mL (${t('charged', interval(filled.low_nl, filled.high_nl))})`;
  const { interface: through } = page.view.charted;
  const rows = [...(through ? [['ask_interface', t(`interface_${through}`)]] : []), ['review_charge', inCup], ['review_lot', read.lot], ['review_device', read.device], ['review_operator', read.operator]];
  return { node: h('div', { class: 'review' }, h('h1', { class: 'quiet' }, t('review_title')),
    h('p', { class: 'readback' }, unbroken(t('review_sentence', values))),
    h('dl', { class: 'values' }, rows.flatMap(([key, text]) => [h('dt', {}, t(key)), h('dd', {}, text)])),
    h('div', { class: 'foot' }, h('p', { class: 'quiet' }, t('review_wrong')), chartFirst(page))) };
}

function chartFirst(page) {
  return choice(t('chart_pre'), () => begin(page, 'pre'), 'plain aside');
}

// Keeps a number beside its unit.
function whole(quantity) {
  return quantity.replaceAll(' ', '\u00a0');
}
