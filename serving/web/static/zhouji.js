// What pages gain when scripts run; everything works without them.
const ready = (selector, work) => document.querySelectorAll(selector).forEach(work);

// The error summary is where reading goes on.
ready("[data-focus]", (element) => element.focus());

// An address may point into something folded; then it is unfolded.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
};
addEventListener("hashchange", unfold);
unfold();

// How many rows are chosen, and choosing all of them.
ready("form[data-choose]", (form) => {
  const boxes = [...form.querySelectorAll("input[name=case]")];
  const all = form.querySelector("[data-all]");
  const said = form.querySelector("[data-chosen]");
  const tell = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    if (said) said.textContent = said.dataset.chosen.replace("#", chosen);
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
  };
  if (all) {
    all.closest("[hidden]")?.removeAttribute("hidden");
    all.addEventListener("change", () => { boxes.forEach((box) => { box.checked = all.checked; }); tell(); });
  }
  form.addEventListener("change", tell);
  tell();
});

// Drafts belong to who typed them: the next account at this device begins with none.
const account = document.body.dataset.account;
try {
  if (account && localStorage.getItem("account") !== account) {
    localStorage.clear(); sessionStorage.clear();
    localStorage.setItem("account", account);
  }
} catch { /* private windows have no such place */ }

// A form that was not sent yet survives a lost connection. Dates, choices and numbers only: free text may name people
// and is kept for this tab alone. Nothing is kept once the form was received.
ready("form[data-draft]", (form) => {
  const key = `draft:${form.dataset.draft}`;
  const fields = () => [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.type !== "submit");
  const store = (field) => (field.tagName === "TEXTAREA" ? sessionStorage : localStorage);
  const read = (place) => JSON.parse(place.getItem(key) || "{}");
  const save = () => {
    const kept = { local: {}, tab: {} };
    for (const field of fields()) {
      const into = store(field) === sessionStorage ? kept.tab : kept.local;
      if (field.type === "checkbox" || field.type === "radio") {
        if (field.checked) (into[field.name] ||= []).push(field.value);
      } else if (field.value) into[field.name] = [field.value];
    }
    localStorage.setItem(key, JSON.stringify(kept.local));
    sessionStorage.setItem(key, JSON.stringify(kept.tab));
    const said = form.querySelector("[data-kept]");
    if (said) said.hidden = false;
  };
  try {
    const kept = { ...read(localStorage), ...read(sessionStorage) };
    if (form.dataset.fresh !== undefined) {
      for (const field of fields()) {
        const values = kept[field.name];
        if (!values) continue;
        if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
        else field.value = values[0];
      }
    }
    form.addEventListener("input", save);
    // without a connection the browser would lead to a page of its own; here the form stays
    form.addEventListener("submit", (event) => {
      save();
      const lost = form.querySelector("[data-offline]");
      if (lost) lost.hidden = navigator.onLine;
      if (!navigator.onLine) { event.preventDefault(); lost?.focus(); }
    });
    addEventListener("online", () => { const lost = form.querySelector("[data-offline]"); if (lost) lost.hidden = true; });
  } catch { /* private windows have no such place */ }
});
ready("[data-received]", (element) => {
  const key = `draft:${element.dataset.received}`;
  try { localStorage.removeItem(key); sessionStorage.removeItem(key); } catch { /* nothing was kept */ }
});
// Whoever signs out leaves nothing behind for the next person at this device.
ready("form[action='/logout']", (form) => form.addEventListener("submit", () => {
  try { localStorage.clear(); sessionStorage.clear(); } catch { /* nothing was kept */ }
}));
