// The application around the official SDK: what its documentation tells users to write, and notes of what happened when.
"use strict";

const app = {
  client: null,
  currentCall: null,
  conversation: [], // params of every telnyx.ai.conversation event
  errors: [],
  states: {}, // seconds from newCall() to each state of the call
  watchers: new Set(),

  // Resolves with the first truthy value of `condition`, which is looked at after every event of the SDK.
  until(condition, seconds, what) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const value = condition();
        if (value) {
          finish();
          resolve(value);
        }
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`waited ${seconds} s for ${what}; states ${JSON.stringify(app.states)}, errors ${app.errors}, ` +
          `last conversation events ${JSON.stringify(app.conversation.slice(-5))}`));
      }, seconds * 1000);
      const finish = () => {
        clearTimeout(timer);
        app.watchers.delete(look);
      };
      app.watchers.add(look);
      look();
    });
  },

  count(type) {
    return app.conversation.filter((params) => params.type === type).length;
  },

  note() {
    for (const look of [...app.watchers]) look();
  },

  async connect(url, targetId, options) {
    app.conversation = [];
    app.errors = [];
    let ready = null;
    const client = new TelnyxWebRTC.TelnyxRTC({
      anonymous_login: { target_type: "ai_assistant", target_id: targetId },
      host: url,
      // Telnyx's STUN and TURN servers are not on this machine, and neither is the place for reports about calls.
      iceServers: [],
      enableCallReports: false,
      ...options,
    });
    client.remoteElement = "remote";
    client.on("telnyx.ready", () => { ready ??= performance.now(); app.note(); });
    client.on("telnyx.error", (event) => {
      const error = event?.error ?? event;
      app.errors.push(`${error?.code ?? ""} ${error?.message ?? JSON.stringify(error)}`.trim());
      app.note();
    });
    client.on("telnyx.notification", (notification) => {
      if (notification.type === "callUpdate" && notification.call.id === app.currentCall?.id) {
        // After a reconnection the SDK goes on with a new object for the same call.
        app.currentCall = notification.call;
        app.enter(notification.call);
      }
      app.note();
    });
    client.on("telnyx.ai.conversation", (event) => { app.conversation.push(event.params); app.note(); });
    app.client = client;
    const start = performance.now();
    client.connect();
    await app.until(() => ready || app.errors.length, 15, "telnyx.ready");
    if (!ready) throw new Error(`not ready: ${app.errors}`);
    return (ready - start) / 1000;
  },

  enter(call) {
    app.states[call.state] ??= (performance.now() - app.started) / 1000;
  },

  async call(options, seconds) {
    app.states = {};
    app.started = performance.now();
    app.currentCall = app.client.newCall({
      destinationNumber: "",
      // What is spoken shall be understood, not improved.
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      ...options,
    });
    await app.until(() => app.states.active || app.states.destroy, seconds, "the call to be active");
    if (!app.states.active) throw new Error(`the call ended at once: ${JSON.stringify(app.end())}, ${app.errors}`);
    return app.states;
  },

  async statistics() {
    const found = {};
    (await app.currentCall.peer.instance.getStats()).forEach((entry) => {
      if (entry.type === "inbound-rtp" && entry.kind === "audio") {
        found.packets = entry.packetsReceived;
        found.lost = entry.packetsLost;
        found.energy = entry.totalAudioEnergy;
        found.seconds = entry.totalSamplesDuration;
        found.concealed = entry.concealedSamples;
        found.level = entry.audioLevel;
      } else if (entry.type === "outbound-rtp" && entry.kind === "audio") {
        found.sent = entry.packetsSent;
      }
    });
    return found;
  },

  // Listens to the remote stream as a person would, after decoding: until `seconds` of sound louder than a whisper.
  async listen(seconds, patience) {
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    context.createMediaStreamSource(app.currentCall.remoteStream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const step = analyser.fftSize / context.sampleRate;
    let loud = 0;
    let peak = 0;
    let first = null;
    const deadline = performance.now() + patience * 1000;
    try {
      while (loud < seconds) {
        if (performance.now() > deadline) {
          throw new Error(`heard ${loud.toFixed(2)} s, peak ${peak}: ${JSON.stringify(await app.statistics())}`);
        }
        await new Promise((resolve) => setTimeout(resolve, step * 1000));
        analyser.getFloatTimeDomainData(samples);
        const level = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
        peak = Math.max(peak, level);
        if (level > 0.005) {
          first ??= (performance.now() - app.started) / 1000;
          loud += step;
        }
      }
    } finally {
      await context.close();
    }
    return { loud, peak, "first sound": first, ...(await app.statistics()) };
  },

  end() {
    const { state, cause, causeCode, sipCode, sipReason } = app.currentCall;
    return { state, cause, causeCode, sipCode, sipReason };
  },

  async ended(seconds) {
    await app.until(() => app.states.destroy, seconds, "the call to be destroyed");
    return app.end();
  },

  async hangUp() {
    app.currentCall.hangup();
    return app.ended(10);
  },

  async disconnect() {
    await app.client.disconnect();
    app.client = null;
  },
};
