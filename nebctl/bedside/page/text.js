// Every word that the page says, from one catalogue; and numbers as people read them.

let words = {};
export let language = 'en';

// Takes the catalogue of a language; one that there is none for is shown in English.
export async function chooseLanguage(name) {
  let answer = await fetch(`/text.${encodeURIComponent(name)}.json`);
  if (!answer.ok) answer = await fetch('/text.en.json');
  words = await answer.json();
  language = name;
  document.documentElement.lang = name === 'zh' ? 'zh-Hans' : name;
}

// Returns the sentence of a key with its {places} filled in; a key that is missing shows itself, so that it is found.
export function t(key, values = {}) {
  const sentence = words[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

// Returns the catalogue's sentence where it has one, else what the unit itself said.
export function said(key, own) {
  return words[key] ?? own;
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

export function content(vesicles) {
  if (!vesicles) return t('placebo');
  const [key, unit] = vesicles >= 1e9 ? ['billion', 1e9] : ['million', 1e6];
  return t('vesicles', { count: t(key, { number: vesicles / unit }) });
}

// Returns the site's HH:MM of a UTC text, by the zone that the unit names.
export function siteTime(utc, zone) {
  const form = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone };
  return new Intl.DateTimeFormat('en-GB', form).format(new Date(utc));
}
