// Stands in for the unit before the page: what the test puts on is sent three times a second, as the unit would.
(() => {
  const open = new Set();
  let view = null;
  class Stream {
    constructor(url) { this.url = url; this.readyState = 1; open.add(this); }
    close() { open.delete(this); this.readyState = 2; }
  }
  Stream.CLOSED = 2;
  const emit = () => { if (view) for (const stream of open) stream.onmessage?.({ data: JSON.stringify(view) }); };
  window.EventSource = Stream;
  window.putOn = (next) => { view = next; emit(); };
  setInterval(emit, 300);

  // What a command is answered is what the unit shows from then on.
  const ask = window.fetch.bind(window);
  window.fetch = async (path, options) => {
    const answer = await ask(path, options);
    const told = options?.method === 'POST' && answer.ok ? await answer.clone().json() : {};
    if (told.state) view = { ...told, operator: view.operator };
    return answer;
  };

  // Goes to a screen as taps would: "#id" is touched, "=box=text" typed, "~screen" waited for, anything else is the words
  // of a button.
  const shows = () => document.getElementById('main').dataset.screen;
  const touch = async (tap) => {
    if (tap.startsWith('~')) {
      for (let at = 0; at < 100 && shows() !== tap.slice(1); at += 1) await new Promise((done) => setTimeout(done, 20));
      return;
    }
    const [, name, text] = tap.split('=');
    if (text !== undefined) {
      const input = document.querySelector(`input[name="${name}"]`);
      input.value = text;
      input.dispatchEvent(new Event('input'));
      return;
    }
    const buttons = [...document.querySelectorAll(tap.startsWith('#') ? tap : '#main button, #choices button')];
    const found = buttons.find((one) => one.checkVisibility() && (tap.startsWith('#') || one.textContent.includes(tap)));
    if (!found) throw new Error(`no button ${tap} on ${shows()}`);
    found.click();
  };
  window.reach = async (away, view, taps) => {
    if (!document.getElementById('choices').hidden) document.getElementById('menu').click();
    sessionStorage.setItem('curve 2026-02-16-abcdef', JSON.stringify([...Array(24).keys()].map((at) => [at * 10, at * 59_000, at * 61_700, at * 64_400])));
    window.putOn(away);
    window.putOn(view);
    for (const tap of taps) await touch(tap);
    return shows();
  };
})();
