// What the page makes heard: the melody of the most urgent alarm, as the unit composes it, and one tone for a self-test.

const HARMONICS = [0, 1, 0.7, 0.6, 0.5, 0.4];  // a fundamental and four more, so that a tone carries and can be placed
const VOLUME = 0.6, EDGE_S = 0.02;
const QUIET_MS = 120_000;
const DOSING = new Set(['intended', 'starting', 'running', 'pausing', 'paused', 'resume-intended', 'resuming', 'stopping', 'lost']);

let score = null;    // the bursts by priority, once the unit has sent them
let context = null;
let due = { priority: null, at: 0 };
let asked = null;    // the self-test's question that was answered last
let quietUntil = 0;

function open() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {});
  return context;
}

function play(pulses) {
  const audio = open(), wave = audio.createPeriodicWave(HARMONICS.map(() => 0), HARMONICS), begin = audio.currentTime + 0.05;
  for (const { millihertz, start_ms: start, length_ms: length } of pulses) {
    const tone = audio.createOscillator(), volume = audio.createGain(), at = begin + start / 1000, end = at + length / 1000;
    tone.setPeriodicWave(wave);
    tone.frequency.value = millihertz / 1000;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(VOLUME, at + EDGE_S);
    volume.gain.setValueAtTime(VOLUME, end - EDGE_S);
    volume.gain.linearRampToValueAtTime(0, end);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(end);
  }
}

// Begins a burst where one is due: at once for another priority, else when the last one's period is over.
export function soundAlarm({ priority }) {
  const now = performance.now();
  if (!score || (priority === due.priority && now < due.at)) return;
  due = { priority, at: priority ? now + score[priority].period_ms : Infinity };
  if (priority) play(score[priority].pulses);
}

// One tone at the normal end of a dose: the cup has run dry, and nobody stopped it (S29).
export function soundEnd(before, { state, stopped_by: by, doubts }) {
  if (score && DOSING.has(before?.state) && state === 'residual' && !by && !doubts.length) play(score.information.pulses);
}

// What a page makes heard that hears nothing from the unit: it cannot know what the nebulizer does (S46). A touch makes it
// quiet for as long as an audio pause, which the unit's own buzzer does not hear of.
export function soundSilence({ state }) {
  soundAlarm({ priority: silenceLeft() ? null : DOSING.has(state) ? 'high' : 'low' });
}

export function silence() {
  quietUntil = performance.now() + QUIET_MS;
}

// Returns the seconds for which the page is still quiet about its missing link; 0 where it is not.
export function silenceLeft() {
  return Math.max(0, Math.ceil((quietUntil - performance.now()) / 1000));
}

// Answers the self-test's question once, from a frame that was drawn, after the tone that a person is to hear.
export function answerProbe(question) {
  if (question === null || question === asked || !score) return;
  asked = question;
  requestAnimationFrame(() => {
    play(score.information.pulses);
    const sound = context.state === 'running';
    fetch('/api/drawn', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ question, sound }) }).catch(() => {});
  });
}

// A browser that waits for a touch before it plays anything has it now.
document.addEventListener('pointerdown', open);
fetch('/api/melody').then((answer) => answer.json()).then((sent) => { score = sent; }).catch(() => {});
