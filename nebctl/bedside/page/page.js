// The page: what the core says at this moment, one screen for it, and the two buttons that never change their place.

import { h, onHold, say, svg } from './parts.js';
import { buildScreen, screenOf } from './screens.js';
import { chooseLanguage, language, said, t } from './text.js';

const COVER_MS = 1000, AWAKE_MS = 60_000;
const $ = (id) => document.getElementById(id);

let view = null;      // the newest view, as the core sent it
let heardAt = 0;      // when it came, on the page's own clock
let stream = null;
let pending = false;  // one command at a time: a second tap waits for nothing and does nothing
let stopping = 0;     // when a STOP that has not been answered yet went out
let screen = null;    // what main shows now
let local = {};       // steps that are the page's alone, forgotten with the session
let awakeAt = 0;
let refused = '';     // why the newest press was not taken, as the unit names it
let alarmAt = 0;
let box = null;       // the box that was filled last: after a sentence was read, the next scan goes there

const page = {
  get view() { return view; },
  get local() { return local; },
  get pending() { return pending; },
  get refused() { return refused; },
  send, step,
};

async function post(name, body) {
  const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) };
  const answer = await fetch(`/api/${name}`, options);
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.code), { said: value });
  return value;
}

// Sends one command; while it is under way every other one, STOP apart, is ignored (S45). Returns whether it was done.
async function send(name, body) {
  if (pending) return false;
  pending = true;
  draw();
  try {
    const answer = await post(name, body);
    if (answer.state) take({ ...answer, operator: view.operator });
    if (name === 'login' || name === 'logout') listen();
    return true;
  } catch (fault) {
    refused = fault.said?.code ?? '';
    notice(fault.said ? said(`refused_${fault.said.code}`, fault.said.sentence) : t('not_answered'));
    return false;
  } finally {
    pending = false;
    draw();
  }
}

// STOP asks nobody and waits for nothing (S21); taps that follow while it is on its way are the same STOP.
async function stop() {
  const now = performance.now();
  if (stopping && now - stopping < COVER_MS) return;
  stopping = now;
  $('notice').hidden = true;
  try {
    await post('stop');
  } catch {
    notice(t('no_link'));
  } finally {
    stopping = 0;
    draw();
  }
}

function step(change) {
  local = { ...local, ...change };
  draw();
}

function understood() {
  $('notice').hidden = true;
  if (box?.isConnected) box.focus();
}

function notice(sentence) {
  say($('notice-text'), sentence);
  say($('notice-close'), t('understood'));
  $('notice').hidden = false;
  $('notice-close').focus();
}

// Takes a view; with the end of a session, or of a login, the page forgets its own steps.
function take(next) {
  const ended = view && next.state === 'idle' && view.state !== 'idle';
  if (ended || !next.operator) local = {};
  view = next;
}

// The stream of views. A login or its end opens it anew; the browser itself reconnects after a break.
function listen() {
  stream?.close();
  stream = new EventSource('/api/page');
  stream.onmessage = (event) => {
    heardAt = performance.now();
    take(JSON.parse(event.data));
    draw();
  };
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, COVER_MS);
  };
}

function draw() {
  drawCover();
  if (!view) return;
  drawHeader();
  drawAlarm();
  drawUpper();
  const name = screenOf(page);
  if (screen?.name !== name) {
    const built = buildScreen(name, page);
    screen = { name, update: built.update };
    $('main').replaceChildren(built.node);
    $('main').dataset.screen = name;
    built.focus?.focus();
  }
  screen.update?.(view);
}

// A page that heard nothing for a second knows nothing, and says so (S46).
function drawCover() {
  const silent = performance.now() - heardAt > COVER_MS;
  say($('cover-text'), t('no_link'));
  if ($('cover').hidden === silent) $('cover').hidden = !silent;
}

function drawHeader() {
  const { review, operator, stream: sent, local: now } = view;
  say($('who'), review ? t('subject_day', review) : t(operator ? 'who_idle' : 'who_locked'));
  say($('kit'), review ? t('kit_lot', review) : [view.unit, operator?.code].filter(Boolean).join(' · '));
  say($('clock'), now.time);
  const key = sent.waiting ? (sent.connected ? 'sync_waiting' : 'sync_offline') : 'sync_done';
  say($('sync'), view.clock_trusted ? t(key, { count: sent.waiting }) : t('clock_wrong'));
  say($('simulator'), t('simulator'));
  $('simulator').hidden = !view.simulated;
}

const RANK = ['high', 'medium', 'low'];

function drawAlarm() {
  const node = $('alarm'), all = [...view.alarms].sort((a, b) => RANK.indexOf(a.priority) - RANK.indexOf(b.priority));
  const alarm = all[alarmAt % Math.max(1, all.length)];
  const now = JSON.stringify([alarm, all.length, language]);
  if (node.dataset.shown === now) return;
  node.dataset.shown = now;
  node.hidden = !alarm;
  if (!alarm) { alarmAt = 0; return; }
  node.dataset.priority = alarm.priority;
  const sign = svg('svg', { viewBox: '0 0 40 34', 'aria-hidden': 'true' }, svg('path', {
    d: 'M20,2 L38,32 L2,32 Z M20,11 L20,22 M20,26 L20,29', fill: 'none', stroke: 'currentColor', 'stroke-width': 3.5,
  }));
  const more = all.length > 1 ? h('button', { type: 'button', onclick: () => { alarmAt += 1; draw(); } }, t('more_alarms', { at: alarmAt % all.length + 1, all: all.length })) : '';
  node.replaceChildren(
    h('div', { class: 'mark' }, sign, h('strong', {}, t(`alarm_${alarm.priority}`))),
    h('p', {}, h('strong', {}, said(`wrong_${alarm.condition}`, alarm.wrong)), said(`act_${alarm.condition}`, alarm.act)),
    more,
  );
}

const MODES = { running: 'pause', paused: 'resume', ready: 'start' };
const HELD = new Set(['start', 'resume']);

// START, PAUSE and RESUME share the upper place; none of them is there for a page that nobody is logged in to.
function upperMode() {
  if (!view.operator) return 'none';
  const mode = MODES[view.state] ?? 'none';
  return mode === 'start' && screenOf(page) !== 'review' ? 'none' : mode;
}

let endHold = () => {};
let begunAs = 'none';  // what the upper button was when a key went down on it

function drawUpper() {
  const button = $('upper'), mode = upperMode();
  if (button.dataset.mode !== mode) endHold();
  button.dataset.mode = mode;
  button.dataset.hold = HELD.has(mode) ? 'yes' : 'no';
  if (button.disabled !== (pending || mode === 'none')) button.disabled = pending || mode === 'none';
  say(button.querySelector('strong'), mode === 'none' ? '' : t(mode));
  say(button.querySelector('span'), pending ? t('wait') : HELD.has(mode) ? t('hold') : '');
  say($('stop').querySelector('strong'), t('stop'));
}

function press() {
  if (upperMode() === 'start') send('start', { auth: view.review.auth });
  else if (upperMode() === 'resume') send('resume', { operator: view.operator.code });
}

// PAUSE acts where a press begins: the finger that held START is still there when the button becomes PAUSE.
function pause() {
  if (upperMode() === 'pause') send('pause', { reason: t('pause_reason') });
}

// A page that is touched is in use: the unit hears of it at most once a minute, so that the login does not end.
function stayAwake() {
  if (!view?.operator || performance.now() - awakeAt < AWAKE_MS) return;
  awakeAt = performance.now();
  fetch('/api/state').catch(() => {});
}

endHold = onHold($('upper'), press);
$('upper').addEventListener('pointerdown', pause);
$('upper').addEventListener('keydown', (event) => { if (!event.repeat) begunAs = upperMode(); });
$('upper').addEventListener('click', (event) => { if (event.detail === 0 && begunAs === 'pause') pause(); });
$('stop').addEventListener('pointerdown', stop);
$('stop').addEventListener('click', (event) => { if (event.detail === 0) stop(); });
$('notice-close').addEventListener('click', understood);
document.addEventListener('focusin', ({ target }) => { if (target.matches('input')) box = target; });
document.addEventListener('pointerdown', stayAwake);
document.addEventListener('contextmenu', (event) => event.preventDefault());

await chooseLanguage(new URLSearchParams(location.search).get('lang') ?? 'en');
listen();
setInterval(draw, 100);
