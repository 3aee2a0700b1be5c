// One screen for each thing to do. Which one shows is the core's state and, between two presses, the page's own step.

import { review, selftest } from './before.js';
import { device } from './chart.js';
import { lost, measure, outcome, recording, residual } from './ended.js';
import { cup, scan, sign } from './entries.js';
import { charge, weigh } from './filling.js';
import { idle } from './idle.js';
import { running } from './running.js';
import { login } from './signin.js';

const BY_STATE = { lost: 'lost', residual: 'residual', charged: 'selftest', idle: 'idle' };
const FILLING = new Set(['charge', 'weigh']);

export function screenOf({ view, local }) {
  if (!view.operator) return 'login';
  switch (view.state) {
    case 'idle': return local.scan ? 'scan' : local.device ? 'device' : 'idle';
    case 'authorised': return FILLING.has(local.fill) ? local.fill : 'cup';
    case 'ready': return local.reviewed === view.review.auth ? 'review' : 'selftest';
    case 'residual': return local.left ? 'measure' : 'residual';
    case 'signing': return !view.outcome ? 'recording' : local.sign ? 'sign' : 'outcome';
    default: return BY_STATE[view.state] ?? 'running';
  }
}

const BUILD = { login, idle, device, scan, cup, charge, weigh, selftest, review, running, lost, residual, measure, recording, outcome, sign };

export function buildScreen(name, page) {
  return BUILD[name](page);
}
