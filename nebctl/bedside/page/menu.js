// Language, theme and lock: one button in the same place on every screen, and what it opens.

import { choice, say } from './parts.js';
import { language, speak, t } from './text.js';

const OPEN_MS = 15_000;
const kept = { get: (name) => localStorage.getItem(name), set: (name, value) => localStorage.setItem(name, value) };

export function keptLanguage() {
  return kept.get('language') ?? 'en';
}

function theme() {
  return document.documentElement.dataset.theme === 'day' ? 'day' : 'night';
}

function lighten(name) {
  document.documentElement.dataset.theme = name;
  kept.set('theme', name);
}

// Wires the menu; `redraw` is called when every word must be written anew, `lock` where a person wants to log out,
// `event` where an adverse event is to be entered.
export function menu({ redraw, lock, event, person }) {
  const button = document.getElementById('menu'), node = document.getElementById('choices');
  let timer = null;
  lighten(kept.get('theme') ?? 'night');
  const close = () => {
    clearTimeout(timer);
    node.hidden = true;
    button.setAttribute('aria-expanded', 'false');
  };
  const then = (act) => () => { close(); act(); };
  const talk = (name) => then(() => { speak(name); kept.set('language', name); redraw(); });
  const open = () => {
    const other = theme() === 'day' ? 'night' : 'day';
    const tongue = (name) => choice(t(`language_${name}`), talk(name), name === language ? '' : 'plain');
    node.replaceChildren(tongue('en'), tongue('zh'), choice(t(`theme_${other}`), then(() => lighten(other)), 'plain'),
      ...(person() ? [choice(t('event'), then(event), 'plain'), choice(t('lock'), then(lock), 'plain')] : []));
    node.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    timer = setTimeout(close, OPEN_MS);
  };
  button.addEventListener('click', () => (node.hidden ? open() : close()));
  return () => {
    say(button.querySelector('strong'), t('menu'));
    say(button.querySelector('span'), t('menu_languages'));
  };
}
