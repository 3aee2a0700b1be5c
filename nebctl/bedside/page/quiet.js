// The one button of an alarm's sound: first quiet for a while, with a countdown, then seen (S43).

import { h } from './parts.js';
import { t } from './text.js';

const AGAIN_MS = 1000;  // a second touch of a wet glove has seen nothing
let quietAt = -AGAIN_MS;

export function quietButton({ acknowledged, condition }, { quiet_s: left }, page) {
  if (acknowledged) return '';
  const signedIn = Boolean(page.view.operator);
  const quiet = () => { quietAt = performance.now(); page.send('quiet'); };
  const seen = () => { if (performance.now() - quietAt >= AGAIN_MS) page.send('acknowledge', { condition }); };
  if (!left) return h('button', { type: 'button', class: 'sound', onclick: quiet }, t('quiet'));
  return h('button', { type: 'button', class: 'sound', disabled: !signedIn, onclick: seen },
    signedIn ? h('strong', {}, t('seen')) : '', h('span', { class: 'left' }, t('quiet_left', { count: left })));
}
