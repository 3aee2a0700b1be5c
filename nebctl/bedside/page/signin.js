// Badge, then PIN: at the login, and again wherever a person answers for something by name.

import { begins, entry, onceTyped } from './entries.js';
import { box, choice, h, onEnter, say } from './parts.js';
import { t } from './text.js';

// The PIN as dots; no browser offers to keep it, and what was typed is gone with the screen. Nothing is ever selected in
// it, so that no digit replaces the one before.
function pinBox() {
  const input = h('input', { name: 'pin', type: 'password', autocomplete: 'new-password', inputmode: 'none', maxlength: '12' });
  return { input, node: h('label', { class: 'box' }, h('span', {}, t('box_pin')), input) };
}

// Asks for a badge and then for its PIN; `done` is given both, and returns whether they were taken. With `badge` given
// the badge is already in its box. `under` are notes below both boxes, `back` leaves the screen; null: it cannot be left.
// A wrong PIN is typed again, a badge that is refused is scanned anew.
export function credential(page, { title, badge, button, done, under = [], back = null }) {
  const node = h('div', { class: 'credential' });
  const first = box(t('box_operator'), 'operator', badge);
  const leave = back ? [choice(t('back'), back, 'plain')] : [];
  const show = (screen, focus) => {
    const said = document.activeElement?.id === 'notice-close' ? document.activeElement : null;
    node.replaceChildren(screen);
    focus.focus();
    said?.focus();  // a sentence is read first; the box is where the next scan goes after it
  };
  const askPin = () => {
    if (!named()) return;
    const pin = pinBox();
    const go = async () => {
      const typed = pin.input.value;
      pin.input.value = '';
      if (!typed || (await done({ operator: first.input.value.trim(), pin: typed }))) return;
      if (page.refused.startsWith('pin-')) return;
      first.input.value = badge;
      askBadge();
    };
    onEnter([pin], go);
    const row = h('div', { class: 'row bottom' }, choice(button, go), choice(t('back'), askBadge, 'plain'));
    const whose = h('p', { class: 'note' }, first.input.value.trim());
    show(entry({ title: t('pin_title'), boxes: [pin], point: '', under: [whose, under], button: row }), pin.input);
  };
  const next = choice(t('next'), () => askPin()), named = onceTyped(next, first, () => page.view.prefixes.operator);
  const askBadge = () => {
    first.input.dispatchEvent(new Event('input'));
    const row = h('div', { class: 'row bottom' }, next, leave);
    show(entry({ title, boxes: [first], point: '-', under, button: row }), first.input);
  };
  let heard = page.view.scanned.count;
  // A badge that the unit's scanner read fills the box, and the PIN is asked for.
  const scanned = ({ scanned: tray }) => {
    if (tray.count === heard) return;
    heard = tray.count;
    if (!tray.badge || tray.refused || !first.input.isConnected) return;
    first.input.value = tray.badge;
    askPin();
  };
  onEnter([first], askPin);
  askBadge();
  return { node, badge: first.input, focus: first.input, scanned };
}

export function login(page) {
  const note = h('p', { class: 'note' });
  const done = (given) => page.send('login', given);
  let begun = begins(page, 'operator');
  const asked = credential(page, { title: t('login_title'), badge: begun, button: t('login'), done, under: [note] });
  const update = (view) => {
    say(note, t(view.state === 'idle' ? 'login_idle' : 'login_running'));
    asked.scanned(view);
    if (asked.badge.value !== begun || begins(page, 'operator') === begun) return;
    asked.badge.value = begun = begins(page, 'operator');
    if (document.activeElement === asked.badge) asked.badge.select();  // a scan replaces it, as everywhere
  };
  return { node: asked.node, update, focus: asked.focus };
}

// The signature of what was observed: badge and PIN again, whoever is logged in. Each signs for nobody else, and what she
// signs is what waits for her, of which she may have observed a part.
export function sign(page) {
  const what = h('p', { class: 'note' }), as = h('p', { class: 'note quiet' });
  const part = () => {
    const of = (code) => page.view.unsigned.filter(({ operator }) => operator === code).at(-1);
    return of(asked.badge.value.trim()) ?? of(page.view.operator.code);
  };
  const meaning = () => t(part()?.shared ? 'sign_meaning_part' : 'sign_meaning');
  const done = async (given) => {
    const signed = await page.send('sign', { ...given, meaning: meaning() });
    if (signed) page.step({ sign: false });
    return signed;
  };
  const asked = credential(page, {
    title: t('sign_title'), badge: begins(page, 'operator'), button: t('sign'), done,
    under: [what, as], back: () => page.step({ sign: false }),
  });
  // The name as it will be printed, once a badge stands in its box.
  const update = (view) => {
    const badge = asked.badge.value.trim(), { code, name } = view.operator, of = part();
    say(what, of ? t('sign_of', { ...of, meaning: meaning() }) : meaning());
    say(as, badge && badge !== begins(page, 'operator') ? t('sign_as', { ...view.local, name: badge === code ? name : badge }) : '');
    asked.scanned(view);
  };
  asked.badge.addEventListener('input', () => update(page.view));
  return { node: asked.node, update, focus: asked.focus };
}

const UNDERWAY = new Set(['starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'lost', 'residual']);

// Whether a dose is under way that somebody else answers for: whoever logs in is asked to take it over, or only looks.
export function isOthers({ view, local }) {
  return UNDERWAY.has(view.state) && !local.watching && view.observers.at(-1) !== view.operator.code;
}

export function takeover(page) {
  const other = page.view.observers.at(-1), { code } = page.view.operator;
  const take = choice(t('takeover'), () => page.send('handover', { operator: code }));
  const look = choice(t('takeover_look'), () => page.step({ watching: true }), 'plain');
  const node = h('div', { class: 'takeover' }, h('h1', {}, t('takeover_title', { operator: other })),
    h('p', { class: 'sentence' }, t('takeover_text')), h('div', { class: 'foot' }, take, look));
  return { node };
}
