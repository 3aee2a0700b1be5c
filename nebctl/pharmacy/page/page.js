// The pharmacy at a glance, read every 5 s; one dose beside it, with every check of its record.

import { age, ago, h, ml, span, table, utc, values } from './parts.js';

const REFRESH_MS = 5000, TICK_MS = 110;
const SYMBOLS = { WITHIN: '✓', UNDER: '↓', OVER: '↑', UNCERTAIN: '?' };
const $ = (id) => document.getElementById(id);

let shown = '';       // what the lists were drawn from
let chosen = null;    // the dose beside the lists
let readAt = '';

async function ask(path, body) {
  const post = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(path, post ?? {});
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.code), { said: value.sentence });
  return value;
}

// What is shown stays, with the moment it is of, when the pharmacy does not answer.
async function refresh() {
  try {
    const view = await ask('/api/overview');
    $('silent').hidden = true;
    readAt = view.now;
    draw(view);
  } catch (fault) {
    const why = fault.said ?? 'The pharmacy does not answer.';
    $('silent').textContent = `${why} What stands here is of ${readAt ? utc(readAt, true) : 'no time yet'}.`;
    $('silent').hidden = false;
  } finally {
    setTimeout(refresh, REFRESH_MS);
  }
}

function draw(view) {
  $('site').textContent = view.site;
  $('simulator').hidden = !view.simulated;
  $('now').textContent = utc(view.now, true);
  $('units').replaceChildren(units(view));
  const lists = JSON.stringify([view.subjects, view.lots]);
  if (lists === shown) return;
  shown = lists;
  const focused = document.activeElement?.dataset.key;
  $('subjects').replaceChildren(...nonEmpty(view.subjects.map(subject), 'No subject is enrolled yet.'));
  $('lots').replaceChildren(lots(view.lots));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function nonEmpty(nodes, sentence) {
  return nodes.length ? nodes : [h('p', { class: 'empty' }, sentence)];
}

function subject(row) {
  return h('div', { class: 'subject' },
    h('div', {}, h('h3', {}, row.subject || 'No subject named'), h('span', {}, row.unit ?? 'not enrolled'),
      row.day1 ? [h('span', {}, 'Day 1 on'), h('span', {}, row.day1)] : null),
    h('div', { class: 'doses' }, row.doses.map((dose) => doseCell(row, dose))));
}

function doseCell(row, dose) {
  const several = row.doses.some((other) => other.dose > 1);
  const title = `Day ${dose.day}${several ? `, dose ${dose.dose}` : ''}`;
  const lines = [h('span', { class: 'quiet' }, title), ...doseLines(dose), h('span', { class: 'quiet' }, dose.kit || 'no kit yet')];
  if (dose.seq === null) return h('div', { class: 'dose open' }, lines);
  const key = `${dose.unit}/${dose.epoch}/${dose.seq}`;
  const choose = () => open(row.subject, title, dose, key);
  return h('button', { class: 'dose', type: 'button', 'data-key': key, 'aria-pressed': String(chosen === key), onclick: choose }, lines);
}

// What came of a dose, in words; a volume in doubt is never shown as one number.
function doseLines(dose) {
  if (dose.verdict === null) return [h('span', { class: 'word' }, ends(dose.state))];
  const doubt = inDoubt(dose);
  const word = h('span', { class: `word ${dose.verdict.toLowerCase()}` }, `${SYMBOLS[dose.verdict]} ${dose.verdict}`);
  const volume = doubt
    ? [h('strong', { class: 'wide' }, `${span(dose.low_nl, dose.high_nl)} mL`), h('span', {}, 'not certain how much')]
    : [h('strong', {}, `${ml(dose.best_nl)} mL`), h('span', {}, `(${span(dose.low_nl, dose.high_nl)})`)];
  return [...volume, word, h('span', {}, ends(dose.state)), ...notes(dose)];
}

function inDoubt(dose) {
  return dose.verdict === 'UNCERTAIN' || dose.state === 'uncertain';
}

function ends(state) {
  return { notdone: 'not done', stopped: 'stopped early', uncertain: 'end uncertain', damaged: '✗ record cannot be read' }[state] ?? state;
}

function notes(dose) {
  const said = [];
  if (dose.verdict !== dose.recorded) said.push(`✗ the unit recorded ${dose.recorded}`);
  if (dose.settled) said.push(`settled: ${dose.settled.verdict}, ${span(dose.settled.low_nl, dose.settled.high_nl)} mL`);
  if (dose.receipted === false) said.push('no receipt yet');
  return said.map((text) => h('span', { class: 'note' }, text));
}

function units(view) {
  const rows = view.units.map((unit) => [
    unit.unit,
    [`${ago(unit.last_contact, view.now) || 'never'}`, h('span', {}, [stateOf(unit), utc(unit.last_contact, true)].filter(Boolean).join(', '))],
    [`${unit.records} kept`, h('span', {}, `${unit.receipted} countersigned`)],
    unit.unreceipted_s === null
      ? ['none waits', h('span', {}, `last receipt ${utc(unit.last_receipt, true)}`)]
      : [h('strong', {}, `one waits ${age(unit.unreceipted_s)}`), h('span', {}, `last receipt ${utc(unit.last_receipt, true)}`)],
    Object.entries(unit.refused).map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none',
  ]);
  if (!rows.length) return nonEmpty([], 'No unit is enrolled yet.')[0];
  return table(['Unit', 'Last contact', 'Records', 'Records without a receipt', 'Refused'], rows);
}

function stateOf(unit) {
  return unit.online === false ? 'offline' : unit.state;
}

function lots(all) {
  if (!all.length) return nonEmpty([], 'No lot was received yet.')[0];
  return table(['Lot', 'State', 'Kits by state'], all.map((lot) => [
    lot.lot, [lot.state, h('span', {}, `since ${utc(lot.since)}`)], byState(lot.kits),
  ]));
}

function byState(kits) {
  return [...Map.groupBy(kits, (kit) => kit.state)].map(([state, group]) => h('div', {}, `${group.length} ${state}`, h('span', {}, group.map(kitText).join(', '))));
}

function kitText(kit) {
  return kit.subject ? `${kit.kit} (${kit.subject} Day ${kit.day})` : kit.kit;
}

// Opens one dose: its values as they are kept, and the checks on request.
async function open(who, title, dose, key) {
  chosen = key;
  for (const cell of document.querySelectorAll('.dose[data-key]')) cell.setAttribute('aria-pressed', String(cell.dataset.key === key));
  const name = { session: dose.session, unit: dose.unit };
  const head = h('h2', {}, `${who || 'No subject named'}, ${title}`);
  const checks = h('div', { 'aria-live': 'polite' });
  const button = h('button', { class: 'choice', type: 'button', id: 'verify', onclick: () => verify(name, button, checks) }, 'Verify');
  try {
    const kept = await ask(`/api/dose?${new URLSearchParams(name)}`);
    if (chosen === key) $('dose').replaceChildren(head, doseValues(kept, dose), button, checks);
  } catch (fault) {
    if (chosen === key) $('dose').replaceChildren(head, h('p', {}, fault.said ?? 'The pharmacy does not answer.'), button, checks);
  }
}

function doseValues(kept, dose) {
  const said = kept.members;
  return values([
    ['Record', `${kept.unit}, epoch ${kept.epoch}, record ${kept.seq}`],
    ['Dose', said.session],
    ['Started', utc(said.started, true)],
    ['Ended', `${utc(said.ended, true)}, ${ends(said.end)}`],
    ['Emitted', inDoubt(dose) ? `${span(dose.low_nl, dose.high_nl)} mL, not certain how much` : volume(dose)],
    ['Charge', volume(said.charge)],
    ['Residual', volume(said.residual) || 'refused'],
    ['Limits', said.limits && `${said.limits.lower_nl / 1e6} to ${said.limits.upper_nl / 1e6} mL`],
    ['Verdict', dose.verdict === dose.recorded ? dose.verdict : `${dose.verdict}, but the unit recorded ${dose.recorded}`],
    ['Settled', dose.settled && `${dose.settled.verdict}, ${span(dose.settled.low_nl, dose.settled.high_nl)} mL, by two persons`],
    ['Deviations', said.deviations?.join(', ') || 'none'],
    ['Site deviation', said.site_deviation],
    ['Evidence', said.witnesses?.join(', ')],
    ['Kit, lot', `${said.kit}, ${said.lot}`],
    ['Device', said.device],
    ['Given by', kept.private.operator],
    ['Signed', kept.signatures.map((each) => `${each.operator}: ${each.meaning}`).join(' ') || 'not yet'],
  ]);
}

function volume(interval) {
  return interval ? `${ml(interval.best_nl)} mL (${span(interval.low_nl, interval.high_nl)})` : '';
}

// Shows the checks one after the other, as a person reads them; each has a mark and a word, whatever its colour.
async function verify(name, button, place) {
  button.disabled = true;
  place.replaceChildren();
  try {
    const result = await ask('/api/verify', name);
    const list = h('ol', { class: 'checks' });
    place.append(list);
    for (const check of result.checks) {
      list.append(checkLine(check));
      if (!matchMedia('(prefers-reduced-motion: reduce)').matches) await new Promise((done) => setTimeout(done, TICK_MS));
    }
    const held = result.checks.filter((check) => check.good).length;
    place.prepend(h('p', { class: 'summary' }, result.good ? `✓ All ${held} checks hold.` : `✗ ${held} of ${result.checks.length} checks hold.`));
  } catch (fault) {
    place.replaceChildren(h('p', { class: 'summary' }, fault.said ?? 'The pharmacy does not answer.'));
  } finally {
    button.disabled = false;
  }
}

function checkLine(check) {
  return h('li', { 'data-good': String(check.good) },
    h('strong', { class: 'mark', 'aria-hidden': 'true' }, check.good ? '✓' : '✗'),
    h('div', {}, `${check.name}: `, h('strong', {}, check.good ? 'holds' : 'fails'), h('span', {}, check.seen)));
}

refresh();
