// The band of alarms under the header: the highest first, with its mark, what is wrong and what to do (S42).

import { h, svg } from './parts.js';
import { quietButton } from './quiet.js';
import { language, said, t } from './text.js';

const RANK = ['high', 'medium', 'low'];
const EFFECT = 'stopped-itself';  // says least: what it came from is read before it
let at = 0;  // which of several alarms is read now

function sign() {
  return svg('svg', { viewBox: '0 0 40 34', 'aria-hidden': 'true' }, svg('path', {
    d: 'M20,2 L38,32 L2,32 Z M20,11 L20,22 M20,26 L20,29', fill: 'none', stroke: 'currentColor', 'stroke-width': 3.5,
  }));
}

export function drawAlarm(page) {
  const { alarms, sound } = page.view;
  const node = document.getElementById('alarm');
  const late = ({ priority, condition }) => 2 * RANK.indexOf(priority) + Number(condition === EFFECT);
  const all = [...alarms].sort((a, b) => late(a) - late(b));
  const alarm = all[at % Math.max(1, all.length)];
  const now = JSON.stringify([alarm, all.length, language, sound.quiet_s, !page.view.operator]);
  if (node.dataset.shown === now) return;
  node.dataset.shown = now;
  node.hidden = !alarm;
  if (!alarm) { at = 0; return; }
  node.dataset.priority = alarm.priority;
  const next = () => { at += 1; drawAlarm(page); };
  const more = all.length > 1
    ? h('button', { type: 'button', onclick: next }, t('more_alarms', { at: at % all.length + 1, all: all.length })) : '';
  node.replaceChildren(
    h('div', { class: 'mark' }, sign(), h('strong', {}, t(`alarm_${alarm.priority}`))), quietButton(alarm, sound, page),
    h('p', {}, h('strong', {}, said(`wrong_${alarm.condition}`, alarm.wrong)), said(`act_${alarm.condition}`, alarm.act)),
    more,
  );
}
