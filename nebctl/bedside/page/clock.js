// A person's check of the unit's clock: what another clock shows, twice, at least 10 s apart (S32).

import { entry } from './entries.js';
import { box, choice, h, onEnter, say } from './parts.js';
import { t } from './text.js';

const APART_MS = 10_500;  // the unit asks for 10 s, by its own clock

// Writes the separators of "2026-02-14" or "09:03" between digits as they are typed.
function parted(input, sizes, sign) {
  const write = () => {
    const digits = input.value.replace(/\D/g, ''), parts = [];
    for (let at = 0, part = 0; part < sizes.length && at < digits.length; at += sizes[part], part += 1) parts.push(digits.slice(at, at + sizes[part]));
    input.value = parts.join(sign);
  };
  input.addEventListener('input', write);
  return () => input.value.replace(/\D/g, '').length === sizes.reduce((sum, size) => sum + size, 0);
}

export function clockScreen({ view, local: { clock } }) {
  if (!clock || !['idle', 'charged'].includes(view.state)) return null;
  return clock.at ? 'clock-again' : 'clock';
}

// The first reading is date and time, the second the time alone. The unit shows no time of its own meanwhile.
export function clock(page) {
  const { at, date } = page.local.clock;
  const day = box(t('box_date'), 'date', date ?? ''), time = box(t('box_time'), 'time');
  const dated = parted(day.input, [4, 2, 2], '-'), timed = parted(time.input, [2, 2], ':');
  const button = choice('', () => go());
  const left = () => (at === undefined ? 0 : APART_MS - (performance.now() - at));
  const ready = () => dated() && timed() && left() <= 0 && !page.pending;
  const done = () => {
    page.step({ clock: null });
    if (page.view.state === 'charged') page.send('self-test');
  };
  const go = async () => {
    if (!ready()) return;
    const reading = `${day.input.value} ${time.input.value}`;
    if (!(await page.send('clock-check', { operator: page.view.operator.code, reading }))) {
      if (page.refused === 'clock-differs' && at !== undefined) page.step({ clock: {} });
    } else if (at === undefined) page.step({ clock: { at: performance.now(), date: day.input.value } });
    else done();
  };
  const update = () => {
    button.disabled = !ready();
    say(button, left() > 0 ? t('clock_wait', { seconds: Math.ceil(left() / 1000 - 0.5) }) : t(at === undefined ? 'next' : 'clock_take'));
  };
  onEnter([day, time], go);
  for (const { input } of [day, time]) input.addEventListener('input', update);
  day.input.addEventListener('input', () => { if (dated() && !time.input.value) time.input.focus(); });
  const back = choice(t('back'), () => page.step({ clock: null }), 'plain');
  const note = h('p', { class: 'note' }, t('clock_note'));
  const node = entry({ title: t(at === undefined ? 'clock_title' : 'clock_title_again'), boxes: [day, time], point: '', under: [note],
    button: h('div', { class: 'row bottom' }, button, back) });
  return { node, update, focus: at === undefined ? day.input : time.input };
}
