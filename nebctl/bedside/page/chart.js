// The device's own screen: its calibration as one large figure and a sentence, and the control chart of its rate.

import { choice, h, svg } from './parts.js';
import { language, t } from './text.js';

const NEWEST = 40;  // more points than these stand too close to be told apart at 1 m
const WIDE = 608, HIGH = 186, LEFT = 62, RIGHT = 602, TOP = 10, BOTTOM = 152;
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const NAMES = { calibration: 'chart_calibration', dose: 'chart_dose', 'failed calibration': 'chart_failed' };

export function device(page) {
  const node = h('div', { class: 'device' }), told = h('p', { class: 'told' });
  const foot = h('div', { class: 'foot' }, told,
    choice(t('back_open'), () => page.step({ device: false, back: {} }), 'plain'), choice(t('back'), () => page.step({ device: false }), 'plain'));
  node.append(foot);
  read().then((known) => {
    told.append(calibrationSaid(known.calibration));
    node.prepend(...heading(known), chart(known.points, page.view.local.zone), legend(known.points));
  }).catch(() => told.append(t('not_answered')));
  return { node };
}

async function read() {
  const answer = await fetch('/api/device');
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

// Says how the calibration stands, or that doses drift from it, and what to do; the self-test says the same.
export function calibrationSaid({ standing, days, drift }) {
  if (drift) return t(`calibration_drift_${drift.way}`, drift);
  const age = t(days === 0 ? 'age_today' : days === 1 ? 'age_day' : 'age_days', { days });
  return t(`calibration_${standing}`, { age });
}

function heading({ device: serial, calibration: { rate_nl_per_s: rate, sigma_nl_per_s: sigma } }) {
  const [low, best, high] = [-1.96, 0, 1.96].map((reach) => mlMin(rate + reach * sigma).toFixed(3));
  const figure = rate === null ? [t('chart_no_rate')] : [t('rate', { rate: best }), h('span', { class: 'quiet' }, t('chart_between', { low, high }))];
  return [h('h1', {}, t('device_title', { serial: serial || t('device_none') })), h('p', { class: 'rate' }, figure)];
}

// Draws the newest points in the order of their records, each against the line and the limits of its own calibration.
export function chart(all, zone) {
  const points = all.slice(-NEWEST), scale = scaleOf(points);
  const wide = (RIGHT - LEFT) / Math.max(1, points.length);
  const x = (place) => LEFT + wide * (place + 0.5);
  const node = svg('svg', { viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': t('chart_label') }, axis(scale),
    points.flatMap((point, i) => limits(point, x(i), wide, scale)), points.flatMap((point, i) => dot(point, x(i), scale)));
  if (!points.length) node.append(label('axis-text', WIDE / 2, (TOP + BOTTOM) / 2, 'middle', t('chart_none')));
  if (!points.length) return node;
  const last = points[points.length - 1], row = BOTTOM + 26;
  node.append(label('axis-text', LEFT, row, 'start', day(points[0].at, zone)));
  if (points.length > 1) node.append(label('axis-text', RIGHT, row, 'end', day(last.at, zone)));
  if (points.length < all.length) node.append(label('axis-text', (LEFT + RIGHT) / 2, row, 'middle', t('chart_newest', { count: points.length, all: all.length })));
  return node;
}

function mlMin(rate) {
  return rate * 60 / 1e6;
}

function day(utc, zone) {
  return new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { day: 'numeric', month: 'short', timeZone: zone }).format(new Date(utc));
}

// Returns a range in mL/min that holds every point with its uncertainty and its limits, and ends at round numbers.
function scaleOf(points) {
  const ends = points.flatMap(({ rate_nl_per_s: rate, sigma_nl_per_s: own, centre_nl_per_s: centre, limit_sigma_nl_per_s: sigma }) =>
    [rate - 2 * own, rate + 2 * own, ...(centre === null ? [] : [centre - 3 * sigma, centre + 3 * sigma])].map(mlMin));
  const least = Math.max(0, Math.min(...ends)), most = Math.max(...ends, least + 0.02);
  const step = STEPS.find((each) => (most - least) / each <= 5) ?? 20;
  const low = Math.floor(least / step), high = Math.ceil(most / step);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => (low + i) * step);
  return { ticks: ends.length ? ticks : [], y: (value) => BOTTOM - (value / step - low) / (high - low) * (BOTTOM - TOP) };
}

function label(kind, x, y, anchor, text) {
  return svg('text', { class: kind, x, y, 'text-anchor': anchor }, text);
}

function axis({ ticks, y }) {
  return ticks.flatMap((value) => [
    svg('path', { class: 'grid', d: `M${LEFT},${y(value)}H${RIGHT}` }), label('axis-text', LEFT - 8, y(value) + 7, 'end', value.toFixed(2)),
  ]);
}

// The line and limits of one point as wide as its place: a dose and a calibration have limits of their own.
function limits({ centre_nl_per_s: centre, limit_sigma_nl_per_s: sigma }, x, wide, { y }) {
  if (centre === null) return [];
  const at = (reach) => y(mlMin(centre + reach * sigma)), left = x - wide / 2;
  return [
    svg('rect', { class: 'within', x: left, width: wide, y: at(2), height: at(-2) - at(2) }),
    ...[[-3, 'limit'], [0, 'centre'], [3, 'limit']].map(([reach, kind]) => svg('path', { class: kind, d: `M${left},${at(reach)}h${wide}` })),
  ];
}

function dot({ rate_nl_per_s: rate, sigma_nl_per_s: own, kind, rules }, x, { y }) {
  const at = (sigmas) => y(mlMin(rate + sigmas * own));
  const bar = svg('path', { class: 'bar', d: `M${x},${at(1.96)}V${at(-1.96)}` });
  return [bar, mark(kind, x, at(0)), rules.length ? mark('off', x, at(0)) : null];
}

function mark(kind, x, y) {
  switch (kind) {
    case 'calibration': return svg('rect', { class: 'calibration', x: x - 7, y: y - 7, width: 14, height: 14 });
    case 'failed calibration': return svg('path', { class: 'failed', d: `M${x - 7},${y - 7}l14,14m0,-14l-14,14` });
    case 'off': return svg('circle', { class: 'off', cx: x, cy: y, r: 13 });
    default: return svg('circle', { class: 'weighed', cx: x, cy: y, r: 6.5 });
  }
}

// Names the marks that are there.
function legend(all) {
  const points = all.slice(-NEWEST), kinds = Object.keys(NAMES).filter((kind) => points.some((point) => point.kind === kind));
  if (points.some(({ rules }) => rules.length)) kinds.push('off');
  const sign = (kind) => svg('svg', { viewBox: '0 0 30 30', 'aria-hidden': 'true' }, mark(kind, 15, 15));
  return h('ul', { class: 'legend' }, kinds.map((kind) => h('li', {}, sign(kind), t(NAMES[kind] ?? 'chart_off'))));
}
