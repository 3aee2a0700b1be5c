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
})();
