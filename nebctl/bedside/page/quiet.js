// The one button of an alarm's sound: first quiet for a while, with a countdown, then seen (S43).

import { h } from './parts.js';
import { t } from './text.js';

export function quietButton({ acknowledged, condition }, { quiet_s: left }, page) {
  if (acknowledged) return '';
  const signedIn = Boolean(page.view.operator);
  if (!left) return h('button', { type: 'button', class: 'sound', onclick: () => page.send('quiet') }, t('quiet'));
  return h('button', { type: 'button', class: 'sound', disabled: !signedIn, onclick: () => page.send('acknowledge', { condition }) },
    signedIn ? h('strong', {}, t('seen')) : '', h('span', { class: 'left' }, t('quiet_left', { count: left })));
}
