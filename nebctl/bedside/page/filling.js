// How the cup was filled: by the vial's word, or by the balance.

import { amount } from './entries.js';
import { choice, h, say } from './parts.js';
import { t, volume } from './text.js';

// The cup as it was typed; nothing where it was scanned, before or since.
const typedCup = ({ view, local }) => (view.scanned.cup ? {} : local.cup);

export function charge(page) {
  const { review } = page.view, title = h('h1');
  const declared = () => page.send('charge', {
    ...typedCup(page), vial_emptied: true, method: 'declared', volume: volume(review.volume_nl),
  });
  const weighed = (emptied) => () => page.step({ fill: 'weigh', emptied });
  // Which cup is asked about is the unit's word; one whose code has become too old is scanned again.
  const update = ({ scanned }) => {
    const cup = typedCup(page).cup ?? scanned.cup;
    if (cup) say(title, t('charge_title', { cup }));
    else page.step({ fill: null });
  };
  return { update, node: h('div', {}, title, h('div', { class: 'stack' },
    choice(t('charge_declared', { volume: volume(review.volume_nl) }), declared),
    choice(t('charge_weighed'), weighed(true)), choice(t('charge_part'), weighed(false), 'plain'),
    choice(t('back'), () => page.step({ fill: null }), 'plain'))) };
}

export function weigh(page) {
  return amount(page, { title: t('weigh_title'), half: 20_000, halves: [10_000, 20_000, 50_000], back: () => page.step({ fill: 'charge' }),
    take: (measured) => page.send('charge', { ...typedCup(page), vial_emptied: page.local.emptied, method: 'weighed', ...measured }) });
}
