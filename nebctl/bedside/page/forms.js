// Charting and adverse events: one thing asked on each screen, then all answers read back before they are recorded.

import { STEPS, bodyOf, shownAs } from './asked.js';
import { entry, onceTyped } from './entries.js';
import { box, choice, h, letters, onEnter, say } from './parts.js';
import { t } from './text.js';

// Returns the steps of the form under way that its answers so far ask for.
function stepsOf({ kind, values }, view) {
  return STEPS[kind].filter(({ when }) => !when || when(values, view));
}

// Returns the name of the screen that the form shows.
export function formScreen({ view, local: { form } }) {
  const step = stepsOf(form, view)[form.at];
  return `${form.kind === 'adverse' ? 'adverse' : 'chart'}-${step ? step.name : 'summary'}`;
}

export function begin(page, kind) {
  page.step({ form: { kind, at: 0, values: {} } });
}

export function buildForm(page) {
  const { form } = page.local, step = stepsOf(form, page.view)[form.at];
  const on = (values) => page.step({ form: { ...form, at: form.at + 1, values: { ...form.values, ...values } } });
  const back = () => page.step({ form: form.at ? { ...form, at: form.at - 1 } : null });
  return step ? ASK[step.type](page, step, form.values, on, back) : summary(page, form, back);
}

const ASK = { numbers, choose, text, scan: scanned };

// Whole numbers or one with a point, each in its own box; a box that is left empty was not measured, where one may be.
function numbers(page, { title, fields, point }, values, on, back) {
  const boxes = fields.map(({ name, label }) => box(t(label), name, values[name] ?? ''));
  const next = choice(t('next'), () => go());
  const given = fields.flatMap(({ needed }, at) => (needed ? [onceTyped(next, boxes[at], () => ['0'])] : []));
  const go = () => {
    if (given.every((is) => is())) on(Object.fromEntries(boxes.map(({ input }) => [input.name, input.value.trim() || null])));
  };
  for (const { input } of boxes) input.setAttribute('maxlength', '5');
  onEnter(boxes, go);
  const button = h('div', { class: 'row bottom' }, next, choice(t('back'), back, 'plain'));
  return { node: entry({ title: t(title), boxes, point: point ?? '', button }), focus: boxes[0].input };
}

function choose(page, { name, title, options, needed }, values, on, back) {
  const chosen = (value) => choice(t(`${name}_${value}`), () => on({ [name]: value }), values[name] === value ? '' : 'plain');
  const skip = needed ? [] : [choice(t('skip'), () => on({ [name]: null }), 'plain')];
  return { node: h('div', { class: 'form' }, h('h1', {}, t(title)), h('div', { class: 'options' }, options.map(chosen)),
    h('div', { class: 'foot' }, skip, choice(t('back'), back, 'plain'))) };
}

// Words, by the keys on the screen or any keyboard; or a code that is scanned.
function text(page, { type, name, title, label, begins }, values, on, back) {
  const field = box(t(label), name, values[name] ?? begins?.(page) ?? '');
  const button = choice(t('next'), () => go());
  const typed = onceTyped(button, field, () => (begins ? page.view.prefixes.subject : []));
  const go = () => { if (typed()) on({ [name]: field.input.value.trim() }); };
  field.input.setAttribute('maxlength', '200');
  onEnter([field], go);
  const row = h('div', { class: 'row bottom' }, button, choice(t('back'), back, 'plain'));
  const pad = type === 'text' ? letters(field, t('delete')) : undefined;
  return { node: entry({ title: t(title), boxes: [field], point: '-', button: row, pad }), focus: field.input };
}

// A subject whom the unit's own scanner reads by wristband or card, or whose pseudonym is typed.
function scanned(page, step, values, on, back) {
  const asked = text(page, step, values, on, back);
  const update = ({ scanned: { band, card } }) => {
    if (!(band ?? card) || page.pending) return;
    page.send('unscan');
    on({ [step.name]: band ?? card });
  };
  return { ...asked, update };
}

function summary(page, form, back) {
  const rows = stepsOf(form, page.view).flatMap((step) => shownAs(step, form.values));
  const take = async () => {
    if (await page.send(...bodyOf(form, page.view))) page.step({ form: null });
  };
  const take1 = choice(t(form.kind === 'adverse' ? 'adverse_take' : 'chart_take'), take);
  const update = () => { take1.disabled = page.pending; };
  return { update, node: h('div', { class: 'form' }, h('h1', {}, t(`${form.kind === 'adverse' ? 'adverse' : 'chart'}_summary`)),
    h('dl', { class: 'facts' }, rows.map(([label, value]) => h('div', {}, h('dt', {}, label), h('dd', {}, value)))),
    h('div', { class: 'foot' }, take1, choice(t('back'), back, 'plain'))) };
}

// Why a dose was paused or stopped: one touch, or a touch and words.
export function reasons(page, moment, after = () => {}) {
  const tell = async (reason) => {
    if (reason === 'other') { page.step({ telling: moment }); return; }
    const { code } = page.view.operator;
    if (await page.send('chart', { operator: code, moment, reason })) after(reason);
  };
  return REASONS[moment].map((reason) => choice(t(`why_${reason}`), () => tell(reason), 'plain'));
}

const REASONS = { pause: ['cough', 'asked', 'care', 'device', 'other'], stop: ['adverse-event', 'asked', 'device', 'mistake', 'other'] };

export function whyStopped(page) {
  const after = (reason) => { if (reason === 'adverse-event') begin(page, 'adverse'); };
  return { node: h('div', { class: 'ended' }, h('h1', { class: 'word' }, t('ended_stopped')),
    h('p', { class: 'sentence' }, t('why_stopped')), h('div', { class: 'options' }, reasons(page, 'stop', after))) };
}

export function telling(page) {
  const moment = page.local.telling, field = box(t('why_words'), 'why');
  const go = async () => {
    const words = field.input.value.trim(), { code } = page.view.operator;
    const body = { operator: code, moment, reason: 'other', ...(words ? { text: words } : {}) };
    if (await page.send('chart', body)) page.step({ telling: null });
  };
  field.input.setAttribute('maxlength', '200');
  onEnter([field], go);
  const button = h('div', { class: 'row bottom' }, choice(t('take'), go), choice(t('back'), () => page.step({ telling: null }), 'plain'));
  return { node: entry({ title: t('why_other_title'), boxes: [field], point: '', button, pad: letters(field, t('delete')) }), focus: field.input };
}
