// The header: whose dose, which day, which kit, what time it is, and how the records stand. While a person checks the
// clock (`checking`) it shows no time: what is read elsewhere is not to be copied from here.

import { say } from './parts.js';
import { t } from './text.js';

const $ = (id) => document.getElementById(id);

export function drawHeader({ review, operator, stream, local, unit, clock_trusted: trusted, simulated }, checking) {
  say($('who'), review ? t('subject_day', review) : t(operator ? 'who_idle' : 'who_locked'));
  say($('kit'), review ? t('kit_lot', review) : [unit, operator?.code].filter(Boolean).join(' · '));
  say($('clock'), checking ? '–' : local.time);
  const key = stream.waiting ? (stream.connected ? 'sync_waiting' : 'sync_offline') : 'sync_done';
  say($('sync'), trusted ? t(key, { count: stream.waiting }) : t('clock_wrong'));
  say($('simulator'), t('simulator'));
  $('simulator').hidden = !simulated;
}
