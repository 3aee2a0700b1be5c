// The header: whose dose, which day, which kit, what time it is, and how the records stand.

import { say } from './parts.js';
import { t } from './text.js';

const $ = (id) => document.getElementById(id);

export function drawHeader({ review, operator, stream, local, unit, clock_trusted: trusted, simulated }) {
  say($('who'), review ? t('subject_day', review) : t(operator ? 'who_idle' : 'who_locked'));
  say($('kit'), review ? t('kit_lot', review) : [unit, operator?.code].filter(Boolean).join(' · '));
  say($('clock'), local.time);
  const key = stream.waiting ? (stream.connected ? 'sync_waiting' : 'sync_offline') : 'sync_done';
  say($('sync'), trusted ? t(key, { count: stream.waiting }) : t('clock_wrong'));
  say($('simulator'), t('simulator'));
  $('simulator').hidden = !simulated;
}
