// Pages that are opened from the disk may start no worker: a hidden frame takes its place, so that the
// search works there too.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      this.frame = frame;
      this.ready = new Promise((done, failed) => {
        const script = inside.document.createElement("script");
        Object.assign(script, {src: String(address), onload: () => done(inside), onerror: failed});
        inside.postMessage = data => {
          const event = new MessageEvent("message", {data: structuredClone(data)});
          this.dispatchEvent(event);
          if (this.onmessage) this.onmessage(event);
        };
        inside.document.body.append(script);
      });
    }

    postMessage(data) {
      const event = new MessageEvent("message", {data: structuredClone(data)});
      this.ready.then(inside => inside.dispatchEvent(event));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
