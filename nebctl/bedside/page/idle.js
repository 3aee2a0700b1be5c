// Between doses: what is due today, and what was given.

import { choice, h, say } from './parts.js';
import { has, siteTime, t } from './text.js';

export function idle(page) {
  const list = h('ul', { class: 'due' }), none = h('p', { class: 'sentence due' }, t('idle_none'));
  const begin = choice(t('idle_begin'), () => page.step({ scan: true })), check = choice(t('clock_check'), () => page.step({ clock: {} }));
  const note = h('p', { class: 'note due-note' });
  const look = choice(t('device'), () => page.step({ device: true }), 'plain aside');
  const part = choice('', () => page.step({ sign: true }), 'plain aside');
  const foot = h('div', { class: 'foot' }, begin, check, part, look, choice(t('lock'), () => page.send('logout'), 'plain aside'));
  let shown = null;
  const update = ({ due, local, unsigned, operator, clock_trusted: trusted }) => {
    begin.hidden = !trusted;  // a dose that cannot be started is not to open a kit
    check.hidden = trusted;
    note.classList.toggle('quiet', trusted);
    note.hidden = trusted && !due.length;
    say(note, t(trusted ? 'idle_scan' : 'clock_idle'));
    const own = unsigned.findLast((one) => one.operator === operator.code);
    part.hidden = !own;
    say(part, t(own?.shared ? 'sign_part' : 'sign_go'));
    const now = JSON.stringify(due);
    if (now === shown) return;
    shown = now;
    list.replaceChildren(...due.map((dose) => h('li', {}, h('strong', {}, dose.subject), t('day_of', dose),
      h('span', {}, dose.kit ?? '', h('span', { class: 'quiet' }, dueText(dose, local.zone))))));
    list.hidden = !due.length;
    none.hidden = due.length > 0;
  };
  return { node: h('div', {}, h('h1', {}, t('idle_title')), note, list, none, foot), update };
}

function dueText({ state, started }, zone) {
  if (!started) return t(has(`due_${state}`) ? `due_${state}` : `course_${state}`);
  return t('due_given', { state: t(`course_${state}`), time: siteTime(started, zone) });
}
