// START, PAUSE and RESUME in the upper place, STOP in the lower one; neither ever moves (S21, S44, S45).

import { say } from './parts.js';
import { t } from './text.js';

export const HOLD_MS = 800;
const BOUNCE_MS = 1000;  // for so long after a press the upper place takes no other: a wet glove touches twice
const FRAME_MS = 100;  // no single frame counts for more: a page that froze under a tap was not held
const AROUND = 289;    // the ring's length in its own units
const MODES = { running: 'pause', paused: 'resume', ready: 'start' };
const HELD = new Set(['start', 'resume']);
const upper = document.getElementById('upper'), lower = document.getElementById('stop');

// Calls `act` once when the button was held for HOLD_MS of frames that the page really drew; a tap does nothing.
function onHold(button, act) {
  const hold = button.querySelector('.hold');
  let frame = 0, last = 0, held = 0;
  const show = () => { hold.style.strokeDashoffset = AROUND * (1 - Math.min(1, held / HOLD_MS)); };
  const end = () => {
    cancelAnimationFrame(frame);
    frame = held = 0;
    button.classList.remove('holding');
    show();
  };
  const ready = () => !button.disabled && button.dataset.hold === 'yes';
  const grow = (now) => {
    held += Math.min(FRAME_MS, Math.max(0, now - last));
    last = now;
    show();
    if (held < HOLD_MS) { frame = requestAnimationFrame(grow); return; }
    const still = ready();
    end();
    if (still) act();
  };
  const begin = () => {
    if (!ready() || frame) return;
    button.classList.add('holding');
    last = performance.now();
    frame = requestAnimationFrame(grow);
  };
  button.addEventListener('pointerdown', begin);
  for (const name of ['pointerup', 'pointerleave', 'pointercancel', 'blur']) button.addEventListener(name, end);
  button.addEventListener('keydown', (event) => {
    if ((event.key === 'Enter' || event.key === ' ') && !event.repeat) begin();
  });
  button.addEventListener('keyup', end);
  return end;
}

// Wires both places. `page` is the page's view and its `send`; `stop` sends STOP; `shows` names the screen.
export function actions(page, stop, shows) {
  // Nothing in the upper place without a link or with nobody logged in, and START on the review alone.
  const mode = () => {
    if (page.silent || !page.view?.operator) return 'none';
    const name = MODES[page.view.state] ?? 'none';
    return name === 'start' && shows() !== 'review' ? 'none' : name;
  };
  let pressedAt = -BOUNCE_MS;
  const bounces = () => performance.now() - pressedAt < BOUNCE_MS;
  const press = () => {
    pressedAt = performance.now();
    if (mode() === 'start') page.send('start', { auth: page.view.review.auth });
    else if (mode() === 'resume') page.send('resume', { operator: page.view.operator.code });
  };
  // PAUSE acts where a press begins: the finger that held START is still there when the button becomes PAUSE.
  const pause = () => {
    if (mode() !== 'pause' || upper.disabled || bounces()) return;
    pressedAt = performance.now();
    page.send('pause', { reason: t('pause_reason') });
  };
  let begunAs = 'none';  // what the upper button was when a key went down on it
  const endHold = onHold(upper, press);
  upper.addEventListener('pointerdown', pause);
  upper.addEventListener('keydown', (event) => { if (!event.repeat) begunAs = mode(); });
  upper.addEventListener('click', (event) => { if (event.detail === 0 && begunAs === 'pause') pause(); });
  lower.addEventListener('pointerdown', stop);
  lower.addEventListener('click', (event) => { if (event.detail === 0) stop(); });
  return () => {
    const name = mode();
    if (upper.dataset.mode !== name) endHold();
    upper.dataset.mode = name;
    upper.dataset.hold = HELD.has(name) ? 'yes' : 'no';
    const off = page.pending || name === 'none' || bounces();
    if (upper.disabled !== off) upper.disabled = off;
    say(upper.querySelector('strong'), name === 'none' ? '' : t(name));
    say(upper.querySelector('span'), page.pending ? t('wait') : HELD.has(name) ? t('hold') : '');
    say(lower.querySelector('strong'), t('stop'));
  };
}
