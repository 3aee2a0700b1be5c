// Every word that the page says, from one catalogue for each language; and numbers as people read them.

const LANGUAGES = ['en', 'zh'];
const catalogues = {};
export let language = 'en';

// Takes all catalogues at once, so that the language can be changed also without a link; then uses one of them.
// `text` has what the page says, `heard` what the unit says to it, `scanned` what it says of a code.
export async function loadWords(name) {
  const parts = await Promise.all(LANGUAGES.flatMap((one) => ['text', 'heard', 'scanned'].map(async (kind) => {
    const answer = await fetch(`/${kind}.${one}.json`);
    return [one, await answer.json()];
  })));
  for (const [one, words] of parts) catalogues[one] = { ...catalogues[one], ...words };
  speak(name);
}

// Uses a language from now on; one that there is no catalogue for is English.
export function speak(name) {
  language = LANGUAGES.includes(name) ? name : 'en';
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language;
}

function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

// Returns the sentence of a key with its {places} filled in; a key that is missing shows itself, so that it is found.
export function t(key, values = {}) {
  return filled(catalogues[language][key] ?? key, values);
}

// Returns whether the catalogue has this key.
export function has(key) {
  return key in catalogues[language];
}

// Returns the catalogue's sentence where it has one, else what the unit itself said.
export function said(key, own) {
  return catalogues[language][key] ?? own;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

// Returns the values that stand at the {places} of an English sentence; null where what was said is another sentence.
function places(sentence, own) {
  const names = [], parts = sentence.split(/\{(\w+)\}/);
  const pattern = parts.map((part, at) => (at % 2 ? names.push(part) && '(.+?)' : part.replace(/[.*+?^$()|[\]\\]/g, '\\$&')));
  const match = new RegExp(`^${pattern.join('')}$`).exec(own);
  return match && Object.fromEntries(names.map((name, at) => [name, match[at + 1]]));
}

function inTongue(own) {
  const value = said(`value_${own}`, own);
  const date = /^(\d{1,2}) ([A-Z][a-z]{2})$/.exec(value);
  return date && language === 'zh' ? `${MONTHS.indexOf(date[2]) + 1}月${date[1]}日` : value;
}

// Returns in the person's language what the unit said in English: the catalogue's English sentence that it matches
// (`key`, `key.2`, and so on) gives the values. What no sentence matches is the unit's own word, or a sentence for all.
export function heard(key, own) {
  for (const name of Object.keys(catalogues.en)) {
    if (name !== key && !name.startsWith(`${key}.`)) continue;
    const values = places(catalogues.en[name], own);
    if (values) return t(name, Object.fromEntries(Object.entries(values).map(([place, value]) => [place, inTongue(value)])));
  }
  return said(`${key}_else`, own);
}

// Returns nanolitres as millilitres; the low end of an interval is rounded down, the high end up.
export function ml(nl, digits = 2, rounding = 'nearest') {
  const step = 10 ** (6 - digits);
  const round = { nearest: Math.round, down: Math.floor, up: Math.ceil }[rounding];
  return (round(nl / step) / 10 ** digits).toFixed(digits);
}

// Returns a prescribed volume without trailing zeros: "3 mL", never "3.0 mL".
export function volume(nl) {
  return `${nl / 1e6} mL`;
}

export function interval(low, high, digits = 2) {
  return { low: ml(low, digits, 'down'), high: ml(high, digits, 'up') };
}

const COUNTS = { en: [1e9, 1e6], zh: [1e8, 1e4] };

// Returns a number of vesicles in the words that its language counts in: "200 million", "2亿".
export function content(vesicles) {
  if (!vesicles) return t('placebo');
  const unit = COUNTS[language].find((one) => vesicles >= one) ?? 1;
  return t('vesicles', { count: unit > 1 ? t(`count_${unit}`, { number: vesicles / unit }) : vesicles });
}

// Returns the site's HH:MM of a UTC text, by the zone that the unit names.
export function siteTime(utc, zone) {
  const form = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone };
  return new Intl.DateTimeFormat('en-GB', form).format(new Date(utc));
}
