// How the cup was filled: by the vial's word, or by the balance.

import { amount } from './entries.js';
import { choice, h } from './parts.js';
import { t, volume } from './text.js';

export function charge(page) {
  const { review } = page.view;
  const declared = () => page.send('charge', {
    ...page.local.cup, vial_emptied: true, method: 'declared', volume: volume(review.volume_nl),
  });
  const weighed = (emptied) => () => page.step({ fill: 'weigh', emptied });
  return { node: h('div', {}, h('h1', {}, t('charge_title')), h('div', { class: 'stack' },
    choice(t('charge_declared', { volume: volume(review.volume_nl) }), declared),
    choice(t('charge_weighed'), weighed(true)), choice(t('charge_part'), weighed(false), 'plain'),
    choice(t('back'), () => page.step({ fill: null }), 'plain'))) };
}

export function weigh(page) {
  return amount(page, { title: t('weigh_title'), half: 20_000, halves: [10_000, 20_000, 50_000], back: () => page.step({ fill: 'charge' }),
    take: (measured) => page.send('charge', { ...page.local.cup, vial_emptied: page.local.emptied, method: 'weighed', ...measured }) });
}
