// A dose under way: how far, how sure, how long still; and the same while it is paused or stops.

import { course, curve, ring } from './curve.js';
import { begin, reasons } from './forms.js';
import { choice, h, say } from './parts.js';
import { interval, ml, t } from './text.js';

export function running(page) {
  const { review: read } = page.view;
  const round = ring(), days = course(), beside = { moves: moving(page, read), rests: resting(page) };
  const range = h('p', { class: 'interval' }), sure = h('p', { class: 'quiet sentence' }, t('confidence'));
  const update = (view) => {
    const moves = view.state === 'running' && !view.stale;
    beside.moves.node.hidden = !moves;
    beside.rests.node.hidden = moves;
    round.update(view.emitted, read.volume_nl, !moves);
    sure.hidden = !view.emitted;
    say(range, view.emitted ? t('interval', interval(view.emitted.low_nl, view.emitted.high_nl)) : '–');
    beside.moves.update(view);
    beside.rests.update(view);
    days.update(view.course);
  };
  return { node: h('div', { class: 'running' }, h('div', { class: 'dose' }, round.node, range, sure),
    beside.moves.node, beside.rests.node, days.node), update };
}

// Beside the ring while aerosol flows: the curve, how long still, and what can be done.
function moving(page, read) {
  const drawn = curve(read.session, read.volume_nl), left = h('h1'), rate = h('p', { class: 'quiet' });
  const seen = choice(t('end_seen'), () => page.send('end-seen', { operator: page.view.operator.code }));
  const update = (view) => {
    seen.hidden = !view.operator_ends;
    drawn.update(view.emitted, view.on_ms / 1000, view.seconds_left);
    say(left, leftText(view.seconds_left));
    say(rate, view.rate_nl_per_s ? t('rate', { rate: ml(view.rate_nl_per_s * 60) }) : '');
  };
  return { node: h('div', { class: 'beside' }, drawn.node, left, rate, h('div', { class: 'can' }, seen, choice(t('chart_mid'), () => begin(page, 'mid'), 'plain'))), update };
}

// Beside the ring while nothing is known to flow: one word, what it means, what to do; clear of the alarm band.
function resting(page) {
  const word = h('h1'), message = h('p', { class: 'sentence' });
  const why = h('div', { class: 'options' }, reasons(page, 'pause'));
  const can = h('div', { class: 'can' }, choice(t('chart_mid'), () => begin(page, 'mid'), 'plain'));
  const node = h('div', { class: 'beside rests' }, word, message, why, can);
  const update = (view) => {
    const asked = view.state === 'paused' && view.pause_reason === t('pause_reason') && !view.charted.pause_told;
    why.hidden = !asked;
    message.hidden = asked;
    can.hidden = asked || view.state !== 'paused';
    node.classList.toggle('asks', asked);
    if (asked) { say(word, t('why_paused')); return; }
    say(word, t(view.stale ? 'state_stale' : `state_${view.state}`));
    say(message, messageOf(view));
  };
  return { node, update };
}

// What a paused dose asks, the most telling first: a cup that is off also stops the device by itself. An alarm of an
// earlier pause may still stand, so what this pause is for comes before it.
const ASKS = ['cup-off', 'mesh-changed', 'cup-changed', 'premature-dry', 'stopped-itself'];
const STEPS = ['mesh-changed', 'cup-changed'];

function leftText(seconds) {
  if (seconds === null) return t('state_running');
  return seconds < 60 ? t('left_soon') : t('left_minutes', { minutes: Math.round(seconds / 60) });
}

function messageOf({ state, stale, alarms, pause_reason: reason }) {
  if (stale) return t('stale');
  if (state !== 'paused') return t('please_wait');
  const why = STEPS.includes(reason) ? reason : ASKS.find((asked) => alarms.some(({ condition }) => condition === asked));
  return t(why ? `paused_${why}` : 'paused_asked');
}
