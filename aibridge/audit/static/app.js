// Everything can be read without this. It shows times in the reader's own zone, keeps addresses short, and follows
// the request log while it is looked at.

const LIVE_MILLISECONDS = 5000;

const exact = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "long"});
const sameYear = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"});

function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    element.title = `${exact.format(moment)} · ${element.textContent}`;
    element.textContent = sameYear.format(moment);
  }
}

function shortAddresses(form) {
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

async function refresh() {
  const response = await fetch(location.href, {headers: {accept: "text/html"}});
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const [mine, fresh] = [document, page].map((one) => one.querySelector("#log tbody"));
  if (!mine || !fresh) return;
  localTimes(fresh);
  const known = new Set([...mine.querySelectorAll("a")].map((link) => link.getAttribute("href")));
  for (const row of fresh.rows) row.classList.toggle("new", !known.has(row.querySelector("a").getAttribute("href")));
  if (!mine.contains(document.activeElement)) mine.replaceWith(fresh);
}

function offerToFollow(place) {
  if (new URLSearchParams(location.search).has("cursor") || !document.querySelector("#log")) return;
  const button = Object.assign(document.createElement("button"), {type: "button", className: "quiet live", textContent: "Follow"});
  button.setAttribute("aria-pressed", "false");
  let timer;
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Following" : "Follow";
    clearInterval(timer);
    if (!on) return;
    refresh();
    timer = setInterval(() => document.hidden || refresh(), LIVE_MILLISECONDS);
  });
  place.append(button);
}

localTimes(document);
document.querySelectorAll("form[method=get]").forEach(shortAddresses);
document.querySelectorAll("[data-live]").forEach(offerToFollow);
