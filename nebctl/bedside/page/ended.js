// After a dose: one word, what it means, what to do; then what is left in the cup, and the record.

import { course } from './curve.js';
import { amount } from './entries.js';
import { begin } from './forms.js';
import { choice, h } from './parts.js';
import { interval, ml, t } from './text.js';

export function lost(page) {
  const off = choice(t('lost_abandon'), () => page.send('abandon', { operator: page.view.operator.code }));
  return { node: h('div', { class: 'lost' }, h('h1', { class: 'word' }, t('lost_title')), h('p', { class: 'sentence' }, t('lost_text')),
    h('div', { class: 'foot' }, off)) };
}

export function ending({ doubts, stopped_by: by }) {
  if (doubts.length) return 'uncertain';
  return by ? 'stopped' : 'dry';
}

export function residual(page) {
  const why = ending(page.view);
  const { added } = page.local, short = (text) => Number.parseFloat(text).toFixed(2);
  const refuse = () => page.send('residual', { operator: page.view.operator.code, refused: t('residual_refused_reason'), added });
  return { node: h('div', { class: 'ended' }, h('h1', { class: 'word' }, t(`ended_${why}`)), h('p', { class: 'sentence' }, t(`ended_${why}_text`)),
    added ? h('p', { class: 'sentence' }, t('residual_added_sum', { low: short(added.low), high: short(added.high) })) : null,
    h('h2', {}, t('residual_title')),
    h('div', { class: 'foot' }, choice(t('residual_drawn'), () => page.step({ left: 'drawn' })),
      choice(t('residual_weighed'), () => page.step({ left: 'weighed' })), choice(t('residual_refused'), refuse, 'plain'),
      added ? null : choice(t('residual_added'), () => page.step({ left: 'added' }), 'plain'))) };
}

export function measure(page) {
  const { added, left: method } = page.local;
  const take = (measured) => page.send('residual', { operator: page.view.operator.code, method, measured, added });
  return amount(page, { title: t(`residual_measure_${method}`), half: method === 'weighed' ? 20_000 : 50_000, halves: [10_000, 20_000, 50_000],
    back: () => page.step({ left: null }),
    take: method === 'added' ? (more) => page.step({ left: null, added: Number.parseFloat(more.volume) ? more : null }) : take });
}

export function recording(page) {
  return { node: h('div', { class: 'ended' }, h('h1', {}, t('outcome_recording')),
    h('div', { class: 'foot' }, choice(t('sign_later'), () => page.send('leave'), 'plain'))) };
}

export function outcome(page) {
  const { outcome: came, course: doses } = page.view, days = course();
  const range = interval(came.low_nl, came.high_nl);
  days.update(doses);
  const said = came.end === 'complete' && came.verdict !== 'WITHIN' ? 'outcome_complete_unsure' : `outcome_${came.end}_text`;
  return { node: h('div', { class: 'ended' }, h('h1', { class: 'word' }, t(`outcome_${came.end}`)),
    h('p', { class: 'sentence' }, t(said, range)),
    came.end === 'uncertain' ? null : [
      h('p', { class: 'sentence' }, h('strong', {}, t('emitted', { best: ml(came.best_nl), ...range }))),
      h('p', { class: 'sentence quiet' }, t(`verdict_${came.verdict}`))],
    h('div', { class: 'foot above-course' }, choice(t('sign_go'), () => page.step({ sign: true })), choice(t('chart_post'), () => begin(page, 'post'), 'plain'), choice(t('sign_later'), () => page.send('leave'), 'plain')),
    days.node) };
}
