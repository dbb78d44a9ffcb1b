// What cannot be undone asks first: a form with data-ask is sent only after its question was answered. The question
// says what follows; the button that agrees has the words of the button that was pressed.
(() => {
  const make = (tag, attributes, ...children) => {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  };

  // What a button says, without its icon.
  const wordsOf = (button) => [...button.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();

  function ask(form, pressed) {
    const words = wordsOf(pressed);
    const title = make("h2", { id: "ask-title" }, form.dataset.ask);
    const text = make("p", { id: "ask-text" }, form.dataset.askText ?? "");
    const cancel = make("button", { type: "submit", value: "cancel", className: "al-button", autofocus: true }, "Cancel");
    const go = make("button", { type: "submit", value: "go", className: "al-button al-button-main" }, words);
    const buttons = make("form", { method: "dialog", className: "al-actions" }, cancel, go);
    const dialog = make("dialog", { className: "al al-dialog" }, title, text, buttons);
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.setAttribute("aria-describedby", text.id);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "go") return;
      form.dataset.asked = "yes";
      form.requestSubmit(pressed);
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.ask || form.dataset.asked) return;
    event.preventDefault();
    ask(form, event.submitter ?? form.querySelector("button"));
  });
})();
