// One screen for each thing to do. Which one shows is the core's state and, between two presses, the page's own step.

import { calibrationSaid, device } from './chart.js';
import { course, curve, ring } from './curve.js';
import { amount, cup, scan, sign } from './entries.js';
import { choice, h, say } from './parts.js';
import { login } from './signin.js';
import { content, interval, ml, said, siteTime, t, volume } from './text.js';

const BY_STATE = { lost: 'lost', residual: 'residual', charged: 'selftest', idle: 'idle' };
const FILLING = new Set(['charge', 'weigh']);

export function screenOf({ view, local }) {
  if (!view.operator) return 'login';
  switch (view.state) {
    case 'idle': return local.scan ? 'scan' : local.device ? 'device' : 'idle';
    case 'authorised': return FILLING.has(local.fill) ? local.fill : 'cup';
    case 'ready': return local.reviewed === view.review.auth ? 'review' : 'selftest';
    case 'residual': return local.left ? 'measure' : 'residual';
    case 'signing': return !view.outcome ? 'recording' : local.sign ? 'sign' : 'outcome';
    default: return BY_STATE[view.state] ?? 'running';
  }
}

const BUILD = { login, idle, device, scan, cup, charge, weigh, selftest, review, running, lost, residual, measure, recording, outcome, sign };

export function buildScreen(name, page) {
  return BUILD[name](page);
}

function idle(page) {
  const list = h('ul', { class: 'due' });
  const begin = choice(t('idle_begin'), () => page.step({ scan: true }));
  const look = choice(t('device'), () => page.step({ device: true }), 'plain aside');
  const foot = h('div', { class: 'foot' }, begin, look, choice(t('lock'), () => page.send('logout'), 'plain'));
  let shown = null;
  const update = ({ due, local }) => {
    const now = JSON.stringify(due);
    if (now === shown) return;
    shown = now;
    list.replaceChildren(...due.map((dose) => h('li', {}, h('strong', {}, dose.subject), t('day_of', dose),
      h('span', {}, dose.kit ?? '', h('span', { class: 'quiet' }, dueText(dose, local.zone))))));
    if (!due.length) list.replaceChildren(h('p', { class: 'sentence' }, t('idle_none')));
  };
  return { node: h('div', {}, h('h1', {}, t('idle_title')), list, foot), update };
}

function dueText({ state, started }, zone) {
  if (!started) return t(`due_${state}`) === `due_${state}` ? t(`course_${state}`) : t(`due_${state}`);
  return t('due_given', { state: t(`course_${state}`), time: siteTime(started, zone) });
}

function charge(page) {
  const { review } = page.view;
  const declared = () => page.send('charge', {
    cup: page.local.cup, vial_emptied: true, method: 'declared', volume: volume(review.volume_nl),
  });
  const weighed = (emptied) => () => page.step({ fill: 'weigh', emptied });
  return { node: h('div', {}, h('h1', {}, t('charge_title')), h('div', { class: 'stack' },
    choice(t('charge_declared', { volume: volume(review.volume_nl) }), declared),
    choice(t('charge_weighed'), weighed(true)), choice(t('charge_part'), weighed(false), 'plain'),
  ), h('div', { class: 'foot' }, choice(t('back'), () => page.step({ fill: null }), 'plain'))) };
}

function weigh(page) {
  return amount(page, { title: t('weigh_title'), half: 20_000, halves: [10_000, 20_000, 50_000], back: () => page.step({ fill: 'charge' }),
    take: (measured) => page.send('charge', { cup: page.local.cup, vial_emptied: page.local.emptied, method: 'weighed', ...measured }) });
}

function selftest(page) {
  const list = h('ul', { class: 'checks' }), told = h('p', { class: 'sentence' });
  const again = choice(t('test_again'), () => page.send('self-test'), 'plain');
  const go = choice(t('test_review'), () => page.step({ reviewed: page.view.review.auth }));
  let shown = null;
  const update = ({ self_test: checks, state }) => {
    const ready = state === 'ready', now = JSON.stringify([checks, ready, page.pending]);
    if (now === shown) return;
    shown = now;
    list.replaceChildren(...checks.map((check) => h('li', { 'data-good': String(check.good) },
      h('span', { class: 'tick' }, check.good ? '✓' : '✗'), h('span', {}, said(`check_${check.name}`, check.name)), h('span', {}, check.facts ? calibrationSaid(check.facts) : check.note))));
    say(told, checks.length && !page.pending ? (ready ? '' : t('test_failed')) : t('test_runs'));
    again.disabled = page.pending;
    go.hidden = !ready;
    again.hidden = ready;
  };
  return { node: h('div', {}, h('h1', {}, t('test_title')), list, told, h('div', { class: 'foot' }, again, go)), update };
}

function review(page) {
  const { review: read, charge: filled } = page.view;
  const values = { ...read, volume: whole(volume(read.volume_nl)), content: content(read.content) };
  const inCup = `${ml(filled.best_nl)} mL (${t('charged', interval(filled.low_nl, filled.high_nl))})`;
  const rows = [['review_charge', inCup], ['review_lot', read.lot], ['review_device', read.device], ['review_operator', read.operator]];
  return { node: h('div', { class: 'review' }, h('h1', { class: 'quiet' }, t('review_title')),
    h('p', { class: 'readback' }, unbroken(t('review_sentence', values))),
    h('dl', { class: 'values' }, rows.flatMap(([key, text]) => [h('dt', {}, t(key)), h('dd', {}, text)])),
    h('p', { class: 'foot quiet' }, t('review_wrong'))) };
}

// Keeps a number beside its unit, and each word on one line: no code is broken at its hyphen.
function whole(quantity) {
  return quantity.replaceAll(' ', '\u00a0');
}

function unbroken(sentence) {
  return sentence.split(' ').flatMap((word) => [h('span', { class: 'whole' }, word), ' ']);
}

function running(page) {
  const { review: read } = page.view;
  const round = ring(), drawn = curve(read.session, read.volume_nl), days = course();
  const range = h('p', { class: 'interval' }), sure = h('p', { class: 'quiet sentence' }, t('confidence'));
  const rate = h('span', { class: 'quiet' }), left = h('strong'), message = h('p', { class: 'message' });
  const seen = choice(t('end_seen'), () => page.send('end-seen', { operator: page.view.operator.code }), 'seen');
  const update = (view) => {
    const { emitted, state } = view, moving = state === 'running';
    seen.hidden = !(moving && view.operator_ends);
    round.update(emitted, read.volume_nl, !moving);
    drawn.update(emitted, view.on_ms / 1000, view.seconds_left);
    say(range, emitted ? t('interval', interval(emitted.low_nl, emitted.high_nl)) : '–');
    say(rate, moving && view.rate_nl_per_s ? t('rate', { rate: ml(view.rate_nl_per_s * 60) }) : '');
    say(left, moving ? leftText(view.seconds_left) : '');
    say(message, messageOf(view));
    message.hidden = !message.textContent;
    days.update(view.course);
  };
  return { node: h('div', { class: page.view.operator_ends ? 'running ends' : 'running' },
    h('div', { class: 'dose' }, round.node, range, sure),
    h('div', { class: 'curve' }, drawn.node, h('div', { class: 'told' }, left, rate), message, seen), days.node), update };
}

function leftText(seconds) {
  if (seconds === null) return '';
  return seconds < 60 ? t('left_soon') : t('left_minutes', { minutes: Math.round(seconds / 60) });
}

function messageOf({ state, stale, alarms }) {
  if (stale) return t('stale');
  if (state !== 'paused') return state === 'running' ? '' : t(`state_${state}`);
  const why = alarms.find(({ condition }) => ['premature-dry', 'stopped-itself', 'cup-changed'].includes(condition));
  return t(why ? `paused_${why.condition}` : 'paused_asked');
}

function lost(page) {
  const off = choice(t('lost_abandon'), () => page.send('abandon', { operator: page.view.operator.code }));
  return { node: h('div', { class: 'lost' }, h('p', { class: 'word' }, t('lost_title')), h('p', { class: 'sentence' }, t('lost_text')),
    h('div', { class: 'foot' }, off)) };
}

function ending({ doubts, stopped_by: by }) {
  if (doubts.length) return 'uncertain';
  return by ? 'stopped' : 'dry';
}

function residual(page) {
  const why = ending(page.view);
  const refuse = () => page.send('residual', { operator: page.view.operator.code, refused: t('residual_refused_reason') });
  return { node: h('div', { class: 'ended' }, h('p', { class: 'word' }, t(`ended_${why}`)), h('p', { class: 'sentence' }, t(`ended_${why}_text`)),
    h('h1', {}, t('residual_title')),
    h('div', { class: 'row' }, choice(t('residual_drawn'), () => page.step({ left: 'drawn' })), choice(t('residual_weighed'), () => page.step({ left: 'weighed' }))),
    h('div', { class: 'foot' }, choice(t('residual_refused'), refuse, 'plain'))) };
}

function measure(page) {
  const method = page.local.left;
  return amount(page, { title: t(`residual_measure_${method}`), half: method === 'drawn' ? 50_000 : 20_000, halves: [10_000, 20_000, 50_000],
    back: () => page.step({ left: null }),
    take: (measured) => page.send('residual', { operator: page.view.operator.code, method, measured }) });
}

function recording(page) {
  return { node: h('div', { class: 'ended' }, h('p', { class: 'sentence' }, t('outcome_recording')),
    h('div', { class: 'foot' }, choice(t('sign_later'), () => page.send('leave'), 'plain'))) };
}

function outcome(page) {
  const { outcome: came, course: doses } = page.view, days = course();
  const range = interval(came.low_nl, came.high_nl);
  days.update(doses);
  return { node: h('div', { class: 'ended' }, h('p', { class: 'word' }, t(`outcome_${came.end}`)),
    h('p', { class: 'sentence' }, t(`outcome_${came.end}_text`, range)),
    came.end === 'uncertain' ? null : [
      h('p', { class: 'sentence' }, h('strong', {}, t('emitted', { best: ml(came.best_nl), ...range }))),
      h('p', { class: 'sentence quiet' }, t(`verdict_${came.verdict}`))],
    h('div', { class: 'foot above-course' }, choice(t('sign_go'), () => page.step({ sign: true })), choice(t('sign_later'), () => page.send('leave'), 'plain')),
    days.node) };
}
