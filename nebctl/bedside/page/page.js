// The page: what the core says at this moment, one screen for it, and the two buttons that never change their place.

import { actions } from './actions.js';
import { drawAlarm } from './alarm.js';
import { catchBounces } from './bounce.js';
import { ending } from './ended.js';
import { begin } from './forms.js';
import { drawHeader } from './header.js';
import { keptLanguage, menu } from './menu.js';
import { say } from './parts.js';
import { buildScreen, screenOf } from './screens.js';
import { tellScans } from './scan.js';
import { answerProbe, silence, silenceLeft, soundAlarm, soundEnd, soundSilence } from './sound.js';
import { heard, loadWords, t } from './text.js';

const COVER_MS = 1000, AWAKE_MS = 60_000;
const $ = (id) => document.getElementById(id);

let view = null;      // the newest view, as the core sent it
let heardAt = 0;      // when it came, on the page's own clock
let madeAt = 0;       // when the unit made it, on the unit's; 0 for a stream that has just begun
let stream = null;
let pending = false;  // one command at a time: a second tap waits for nothing and does nothing
let stopping = 0;     // when the last STOP went out
let screen = null;    // what main shows now
let local = {};       // steps that are the page's alone, forgotten with the session
let awakeAt = 0;
let scene = 0;        // counts what came up in place of what was touched
let refused = '';     // why the newest press was not taken, as the unit names it
let box = null;       // the box that was filled last: after a sentence was read, the next scan goes there

const page = {
  get view() { return view; },
  get local() { return local; },
  get pending() { return pending; },
  get silent() { return performance.now() - heardAt > COVER_MS; },
  get refused() { return refused; },
  send, step, notice,
};

async function post(name, body) {
  const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) };
  const answer = await fetch(`/api/${name}`, options);
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.code), { said: value });
  return value;
}

// Sends one command; while it is under way every other one, STOP apart, is ignored (S45). Returns whether it was done.
// Why it was not done is a sentence, unless `takes` returns true for it.
async function send(name, body, takes = () => false) {
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
    if (!fault.said || !takes(fault.said)) notice(fault.said ? heard(`refused_${fault.said.code}`, fault.said.sentence) : t('not_answered'));
    return false;
  } finally {
    pending = false;
    draw();
  }
}

// STOP asks nobody and waits for nothing (S21); taps that follow within a second are the same STOP.
async function stop() {
  const now = performance.now();
  if (stopping && now - stopping < COVER_MS) return;
  stopping = now;
  $('notice').hidden = true;
  try {
    await post('stop');
  } catch {
    stopping = 0;
    notice(t('no_link'));
  } finally {
    draw();
  }
}

function step(change) {
  local = { ...local, ...change };
  draw();
}

function understood() {
  scene += 1;
  $('notice').hidden = true;
  if (box?.isConnected) box.focus();
}

function notice(sentence) {
  scene += 1;
  say($('notice-text'), sentence);
  $('notice').hidden = false;
  draw();
  $('notice-close').focus();
}

// Takes a view; with the end of a session, or of a login, the page forgets its own steps. A page that slept, or had no
// link, may find another session in place of its own: then nothing stays that was drawn or answered for that one.
// One that was made before it is not taken: on the stream it may be overtaken by the answer to a command.
function take(next) {
  if (next.made_us < madeAt) return;
  madeAt = next.made_us ?? madeAt;
  const was = view?.review?.session, other = was && next.review && next.review.session !== was;
  const ended = view && next.state === 'idle' && view.state !== 'idle';
  if (other) screen = null;
  if (ended || other || !next.operator) local = {};
  const over = view && next.state === 'residual' && view.state !== 'residual';
  soundEnd(view, next);
  view = next;
  if (over) atEnd();
}

// A dose that ends under a form is not to pass unseen. What belongs to its middle could no longer be recorded, and goes;
// an adverse event stays as it was typed, once the end was read.
function atEnd() {
  if (local.form?.kind === 'mid' || local.telling === 'pause') local = { ...local, form: null, telling: null };
  else if (local.form) notice(t(`ended_${ending(view)}_text`));
}

// The stream of views. A login or its end opens it anew; the browser itself reconnects after a break.
function listen() {
  stream?.close();
  stream = new EventSource('/api/page');
  stream.onopen = () => { madeAt = 0; };  // another unit, or the same after a reboot, counts anew
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
  drawMenu();
  drawActions();
  say($('notice-close'), t('understood'));
  if (!view) return;
  drawHeader(view, Boolean(local.clock));
  drawAlarm(page);
  if (page.silent) soundSilence(view);
  else soundAlarm(view.sound);
  answerProbe(view.probe);
  tellScans(page);
  const name = screenOf(page);
  if (screen?.name !== name) show(name);
  screen.update?.(view);
}

function show(name) {
  scene += 1;
  const built = buildScreen(name, page);
  screen = { name, update: built.update };
  $('main').replaceChildren(built.node);
  $('main').dataset.screen = name;
  built.focus?.focus();
}

// Writes every word anew, in another language; what was typed stays in its box.
function redraw() {
  const typed = [...$('main').querySelectorAll('input')].map((input) => [input.name, input.value]);
  screen = null;
  $('notice').hidden = true;
  draw();
  for (const [name, value] of typed) {
    const input = $('main').querySelector(`input[name="${name}"]`);
    if (input) { input.value = value; input.dispatchEvent(new Event('input')); }
  }
}

// A page that heard nothing for a second knows nothing, and says so (S46).
function drawCover() {
  const left = silenceLeft();
  say($('cover-text'), t('no_link'));
  say($('cover-quiet'), left ? t('no_link_quiet', { count: left }) : t('no_link_sound'));
  if ($('cover').hidden === page.silent) $('cover').hidden = !page.silent;
}

// A page that is touched is in use: the unit hears of it at most once a minute, so that the login does not end.
function stayAwake() {
  if (!view?.operator || performance.now() - awakeAt < AWAKE_MS) return;
  awakeAt = performance.now();
  fetch('/api/state').catch(() => {});
}

for (const name of ['main', 'notice']) catchBounces($(name), () => scene);
$('notice-close').addEventListener('click', understood);
$('cover').addEventListener('pointerdown', silence);
document.addEventListener('focusin', ({ target }) => { if (target.matches('input')) box = target; });
document.addEventListener('pointerdown', stayAwake);
document.addEventListener('contextmenu', (event) => event.preventDefault());

await loadWords(new URLSearchParams(location.search).get('lang') ?? keptLanguage());
const drawMenu = menu({ redraw, lock: () => send('logout'), event: () => begin(page, 'adverse'), person: () => view?.operator });
const drawActions = actions(page, stop, () => screenOf(page));
listen();
setInterval(draw, 100);
