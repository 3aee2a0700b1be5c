// What is asked before, during and after a dose, and of an adverse event; and how the answers are sent and read back.

import { t } from './text.js';

const VITALS = { type: 'numbers', name: 'vitals', title: 'chart_vitals', fields: [
  { name: 'heart_rate_bpm', label: 'chart_heart', unit: '/min' },
  { name: 'resp_rate_per_min', label: 'chart_breaths', unit: '/min' },
  { name: 'spo2_percent', label: 'chart_spo2', unit: '%' },
] };
const choices = (name, options, more = {}) => ({ type: 'choose', name, title: `ask_${name}`, options, ...more });
const inLine = ({ interface: through }) => through === 'in-line';
const YES_NO = ['yes', 'no'];
const BREATH = choices('breath_sounds', ['clear', 'wheeze', 'crackles', 'decreased', 'absent']);
const TOLERANCE = choices('tolerance', ['good', 'cough', 'breathless', 'agitated', 'not-tolerated']);
const BIAS = { type: 'numbers', name: 'bias', title: 'chart_bias_title', point: '.', when: inLine,
  fields: [{ name: 'bias_flow_ml_per_min', label: 'chart_bias', unit: 'L/min', thousand: true }] };

export const STEPS = {
  pre: [VITALS, BREATH,
    choices('position', ['upright', 'semi-recumbent', 'supine', 'prone', 'side']),
    choices('interface', ['mouthpiece', 'mask', 'in-line'], { needed: true }),
    choices('placement', ['before-humidifier', 'inspiratory-limb', 'at-y-piece', 'after-y-piece'], { when: inLine, needed: true }),
    choices('humidifier_removed', YES_NO, { when: inLine, needed: true }),
    choices('expiratory_filter', YES_NO, { when: inLine, needed: true }), BIAS],
  mid: [VITALS, TOLERANCE],
  post: [VITALS, BREATH, TOLERANCE,
    choices('humidifier_back', YES_NO, { when: (_, view) => view.charted.humidifier_removed === true, needed: true })],
  adverse: [
    { type: 'scan', name: 'subject', title: 'adverse_subject', label: 'box_subject', when: (_, view) => !view.review,
      begins: (page) => page.view.prefixes.subject[0] },
    choices('onset', ['today', 'yesterday', 'earlier'], { needed: true }),
    { type: 'numbers', name: 'ago', title: 'adverse_ago', when: ({ onset }) => onset === 'earlier',
      fields: [{ name: 'ago', label: 'adverse_days', needed: true }] },
    choices('grade', ['1', '2', '3', '4', '5'], { needed: true }),
    choices('relation', ['unrelated', 'unlikely', 'possible', 'probable', 'definite'], { needed: true }),
    choices('action', ['none', 'interrupted', 'withdrawn', 'not-applicable', 'unknown'], { needed: true }),
    { type: 'text', name: 'text', title: 'adverse_text', label: 'adverse_words' },
  ],
};

// Returns the rows of a step as they are read back; what was left out is not shown.
export function shownAs({ type, name, title, label, fields }, values) {
  if (type === 'numbers') {
    return fields.filter((field) => values[field.name] !== null && values[field.name] !== undefined)
      .map((field) => [t(field.label), [values[field.name], field.unit].filter(Boolean).join(' ')]);
  }
  if (values[name] === null || values[name] === undefined) return [];
  return [[t(label ?? title), type === 'choose' ? t(`${name}_${values[name]}`) : values[name]]];
}

const WORDS = { yes: true, no: false };

function number(text, { thousand }) {
  return thousand ? Math.round(Number(text) * 1000) : Number(text);
}

// Returns the command that records a form, and its body: numbers as numbers, yes and no as such, a date as a date.
export function bodyOf({ kind, values }, view) {
  const fields = Object.values(STEPS).flat().flatMap((step) => step.fields ?? []);
  const sent = Object.entries(values).filter(([, value]) => value !== null).map(([name, value]) => {
    const field = fields.find((one) => one.name === name);
    return [name, field ? number(value, field) : (WORDS[value] ?? value)];
  });
  const body = { operator: view.operator.code, ...Object.fromEntries(sent) };
  return kind === 'adverse' ? ['adverse', event(body, view)] : ['chart', { ...body, moment: kind }];
}

const DAYS = { today: () => 0, yesterday: () => 1, earlier: (ago) => ago };

function event({ onset, ago, subject, ...body }, { review, local }) {
  const day = new Date(`${local.date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() - DAYS[onset](ago));
  return { ...body, subject: subject ?? review.subject, onset: day.toISOString().slice(0, 10) };
}
