// The ring, the curve with its band, and the five discs of a course. Volumes arrive in nanolitres.

import { h, svg, say } from './parts.js';
import { ml, t, volume } from './text.js';

const ROUND = 2 * Math.PI * 116;
const WIDE = 314, HIGH = 180, LEFT = 30, TOP = 12, BOTTOM = 150, RIGHT = 300;

export function ring() {
  const front = svg('circle', { class: 'ring-front', cx: 130, cy: 130, r: 116, transform: 'rotate(-90 130 130)' });
  front.setAttribute('stroke-dasharray', `0 ${ROUND}`);
  const number = svg('text', { class: 'ring-number', x: 130, y: 150, id: 'emitted' });
  const of = svg('text', { class: 'ring-of', x: 130, y: 192 });
  const back = svg('circle', { class: 'ring-back', cx: 130, cy: 130, r: 116 });
  const node = svg('svg', { viewBox: '0 0 260 260', role: 'img', 'aria-label': t('ring_label') }, back, front, number, of);
  const update = (emitted, planned, paused) => {
    const share = emitted ? Math.min(1, emitted.best_nl / planned) : 0;
    front.setAttribute('stroke-dasharray', `${share * ROUND} ${ROUND}`);
    front.classList.toggle('paused', paused);
    say(number, emitted ? ml(emitted.best_nl) : '–');
    say(of, t('of_ml', { volume: volume(planned) }));
  };
  return { node, update };
}

// Remembers the curve of one session, so that a page that is loaded again in mid-dose still shows it.
class Points {
  constructor(session) {
    this.place = `curve ${session}`;
    this.list = JSON.parse(sessionStorage.getItem(this.place) ?? '[[0,0,0,0]]');
  }

  add(seconds, emitted) {
    const last = this.list[this.list.length - 1];
    if (seconds - last[0] < 2) return;
    this.list.push([seconds, emitted.low_nl, emitted.best_nl, emitted.high_nl]);
    sessionStorage.setItem(this.place, JSON.stringify(this.list));
  }
}

export function curve(session, planned) {
  const points = new Points(session);
  const top = Math.ceil(planned / 1e6) * 1e6;
  let minutes = 2;
  const x = (seconds) => LEFT + (seconds / 60 / minutes) * (RIGHT - LEFT);
  const y = (nl) => BOTTOM - (nl / top) * (BOTTOM - TOP);
  const at = (seconds, nl) => `${x(seconds).toFixed(1)},${y(nl).toFixed(1)}`;
  const band = svg('polygon', { class: 'band' }), line = svg('polyline', { class: 'line' });
  const last = svg('text', { class: 'axis-text', x: RIGHT, y: BOTTOM + 24, 'text-anchor': 'end' });
  const scale = [0, top].map((nl) => svg('text', { class: 'axis-text', x: LEFT - 8, y: y(nl) + 7, 'text-anchor': 'end' }, `${nl / 1e6}`));
  const axes = svg('polyline', { class: 'axis', points: `${LEFT},${TOP} ${LEFT},${BOTTOM} ${RIGHT},${BOTTOM}` });
  const goal = svg('line', { class: 'goal', x1: LEFT, x2: RIGHT, y1: y(planned), y2: y(planned) });
  const node = svg('svg', { viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': t('curve_label') }, axes, goal, band, line, scale, last);
  const update = (emitted, seconds, left) => {
    if (emitted) points.add(seconds, emitted);
    while (minutes * 60 < seconds + (left ?? 0)) minutes += 2;
    const shown = emitted ? [...points.list, [seconds, emitted.low_nl, emitted.best_nl, emitted.high_nl]] : points.list;
    line.setAttribute('points', shown.map(([s, , best]) => at(s, best)).join(' '));
    const low = shown.map(([s, nl]) => at(s, nl)), high = shown.map(([s, , , nl]) => at(s, nl));
    band.setAttribute('points', [...low, ...high.reverse()].join(' '));
    say(last, `${minutes} ${t('minutes')}`);
  };
  return { node, update };
}

const FULL = new Set(['complete']), HALF = new Set(['partial', 'stopped', 'uncertain', 'open']);

function disc(state) {
  const half = HALF.has(state) ? svg('path', { class: 'disc-half', d: 'M13,3 A10,10 0 0 1 13,23 Z' }) : null;
  const kind = FULL.has(state) ? 'disc-full' : 'disc';
  return svg('svg', { viewBox: '0 0 26 26', 'aria-hidden': 'true' }, half, svg('circle', { class: kind, cx: 13, cy: 13, r: 10 }));
}

// The course, one disc with text for each dose; drawn anew only when it changed.
export function course() {
  const node = h('ul', { class: 'course' });
  let shown = '';
  const update = (doses) => {
    const now = JSON.stringify(doses);
    if (now === shown) return;
    shown = now;
    node.replaceChildren(...doses.map((dose) => {
      const known = dose.best_nl !== null && dose.state === 'complete';
      const text = known ? `${ml(dose.best_nl, 1)} mL` : t(`course_${dose.state}`);
      return h('li', {}, disc(dose.state), h('div', {}, t('course_day', { day: dose.day }), h('span', {}, text)));
    }));
  };
  return { node, update };
}
