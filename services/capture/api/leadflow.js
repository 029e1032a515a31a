/* Leadflow, first party: tells page views and form fills of this site to your own capture, nobody else. docs/channels.md */
(() => {
  "use strict";
  const { endpoint, consent } = document.currentScript.dataset, began = Date.now();
  const no = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  const kept = (store, name, value) => {
    try {
      if (value === null) window[store].removeItem(name);
      else if (value) window[store].setItem(name, value);
      return window[store].getItem(name) || "";
    } catch { return ""; }
  };
  const id = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => (b + 256).toString(16).slice(1)).join("");
  const page = id(), VISITOR = "leadflow_visitor", YES = "leadflow_consent", LANDING = "leadflow_landing";
  const visit = () => {
    if (no || (consent === "required" && !kept("localStorage", YES))) return {};
    return {
      visitor_id: kept("localStorage", VISITOR) || kept("localStorage", VISITOR, id()),
      landing_page: kept("sessionStorage", LANDING) || kept("sessionStorage", LANDING, location.href),
      url: location.href,
      referrer: document.referrer,
    };
  };
  const track = (kind, value) => {
    const body = new URLSearchParams({ kind, ...visit() });
    if (!body.get("visitor_id")) return;
    if (value) body.set("value", value);
    fetch(endpoint, { method: "POST", body, keepalive: true, credentials: "omit" }).catch(() => {});
  };
  const ours = (form) => form && form.getAttribute("action") === endpoint;
  const hash = (text) => {
    let sum = 2166136261;
    for (const letter of text) sum = Math.imul(sum ^ letter.codePointAt(), 16777619);
    return (sum >>> 0).toString(16);
  };
  const started = new WeakSet();
  document.addEventListener("focusin", ({ target: { form } }) => {
    if (!ours(form) || started.has(form)) return;
    started.add(form);
    track("form_start", form.getAttribute("name"));
  });
  document.addEventListener("submit", ({ target: form }) => {
    if (!ours(form)) return;
    form.querySelectorAll("[data-leadflow]").forEach((field) => field.remove());
    const said = [...new FormData(form)].map(([name, value]) => [name, value.name || value]);
    const add = { leadflow_submission: page + hash(JSON.stringify(said)), leadflow_seconds: (Date.now() - began) / 1e3 };
    for (const [name, value] of Object.entries({ ...add, ...visit() })) {
      if (form.elements.namedItem(name)) continue;
      const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      field.dataset.leadflow = "";
      form.append(field);
    }
  }, true);
  window.leadflow = {
    track,
    consent(yes) {
      kept("localStorage", YES, yes ? "yes" : null);
      if (yes) track("page_view");
      else kept("localStorage", VISITOR, null);
    },
  };
  track("page_view");
})();
