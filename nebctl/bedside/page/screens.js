// One screen for each thing to do. Which one shows is the core's state and, between two presses, the page's own step.

import { review, selftest } from './before.js';
import { device } from './chart.js';
import { clock, clockScreen } from './clock.js';
import { lost, measure, outcome, recording, residual } from './ended.js';
import { charge, weigh } from './filling.js';
import { buildForm, formScreen, telling, whyStopped } from './forms.js';
import { back, code, returnScreen, sure } from './giveback.js';
import { idle } from './idle.js';
import { confirm, limit, limitScreen, persons, words } from './limits.js';
import { running } from './running.js';
import { cup, cupTyped, isScanning, scan, second, typed, vouch } from './scan.js';
import { isOthers, login, sign, takeover } from './signin.js';

const BY_STATE = { lost: 'lost', residual: 'residual', charged: 'selftest', idle: 'idle' };
const FILLING = new Set(['charge', 'weigh', 'cup-typed']);

export function screenOf({ view, local }) {
  if (!view.operator) return 'login';
  if (isOthers({ view, local })) return 'takeover';
  if (view.state !== 'lost' && local.form) return formScreen({ view, local });
  if (view.state !== 'lost' && local.telling) return 'telling';
  if (clockScreen({ view, local })) return clockScreen({ view, local });
  if (returnScreen({ view, local })) return returnScreen({ view, local });
  switch (view.state) {
    case 'idle': return local.sign ? 'sign' : scanning({ view, local }) ?? (local.device ? 'device' : 'idle');
    case 'authorised': return FILLING.has(local.fill) ? local.fill : 'cup';
    case 'ready': return local.reviewed === view.review.auth ? 'review' : 'selftest';
    case 'residual': return unexplained(view) ? 'why' : local.left ? 'measure' : 'residual';
    case 'signing': return !view.outcome ? 'recording' : local.sign ? 'sign' : 'outcome';
    default: return BY_STATE[view.state] ?? 'running';
  }
}

// The screen of a scan that has begun, by a touch or by the first code; null where none has.
function scanning({ view, local }) {
  if (local.limit) return limitScreen({ local });
  if (local.vouch) return local.vouch;
  return local.scan || isScanning({ view, local }) ? 'scan' : null;
}

const PEOPLE = new Set(['page', 'api', 'button']);

// A stop that a person pressed and nobody has given a reason for; what is uncertain says that first.
function unexplained({ stopped_by: by, doubts, charted }) {
  return PEOPLE.has(by) && !doubts.length && !charted.moments.includes('stop');
}

const BUILD = { login, idle, device, scan, vouch, typed, second, cup, 'cup-typed': cupTyped, charge, weigh, selftest, review, running, lost, residual, measure, recording, outcome, sign, takeover, why: whyStopped, telling, clock, 'clock-again': clock,
  back, 'back-sure': sure, 'back-code': code, limit, 'limit-words': words, 'limit-confirm': confirm, 'limit-persons': persons };

export function buildScreen(name, page) {
  return (BUILD[name] ?? buildForm)(page);
}
