// Comfort only: every page works without this file.
"use strict";

// "Show password" appears only where script can honour it, and the field is hidden again before it is sent.
for (const button of document.querySelectorAll("[data-reveal]")) {
  const field = document.getElementById(button.dataset.reveal);
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.toggleAttribute("data-shown", shown);
    button.setAttribute("aria-label", shown ? button.dataset.hide : button.dataset.show);
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    show(field.type === "password");
    field.focus();
  });
  field.form.addEventListener("submit", () => show(false));
  window.addEventListener("pagehide", () => show(false));
}

// An open menu closes on Escape and on a press elsewhere.
for (const menu of document.querySelectorAll("details[data-dismiss]")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// Signed out everywhere, then back to the app: as soon as every frame has loaded, and at the latest after a while.
for (const onward of document.querySelectorAll("[data-onward]")) {
  const loaded = new Promise((done) => {
    if (document.readyState === "complete") done();
    else window.addEventListener("load", done, { once: true });
  });
  const patience = new Promise((done) => setTimeout(done, 4000));
  Promise.race([loaded, patience]).then(() => window.location.replace(onward.href));
}
